//! Templates of numbers. In: a template with 9, 0, a point, commas, a sign's place. Out: the number
//! in it, step by step as `NUM_processor` of PostgreSQL places blanks, zeros and signs. The locale
//! is C's: no currency, a point, a comma.

/// A part of a template, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Nine,
    Zero,
    Point,
    Comma,
    Minus,
    Currency,
    Literal(char),
}

/// Where `S` puts the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Nowhere: a minus before the number, or a blank.
    Plain,
    /// Before the number.
    Before,
    /// Behind it.
    After,
    /// `MI` has the place.
    Placed,
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pieces: Vec<Piece>,
    sign: Sign,
    unfilled: bool,
    /// Digits before and after the point.
    before: usize,
    after: usize,
    /// The first and the last place that shows a zero, counted over all digits from 0 and 1.
    zero_start: Option<usize>,
    zero_end: usize,
}

/// Parses a template; none for one that is not supported.
pub(super) fn parse(pattern: &str) -> Option<Picture> {
    let mut picture = Picture {
        pieces: vec![],
        sign: Sign::Plain,
        unfilled: false,
        before: 0,
        after: 0,
        zero_start: None,
        zero_end: 0,
    };
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let upper: String = rest.chars().take(2).collect::<String>().to_uppercase();
        let length = match upper.as_str() {
            "FM" => {
                picture.unfilled = true;
                2
            }
            "MI" if picture.sign == Sign::Plain => {
                picture.sign = Sign::Placed;
                picture.pieces.push(Piece::Minus);
                2
            }
            "PR" | "PL" | "SG" | "RN" | "TH" | "EE" | "MI" => return None,
            _ => {
                picture.letter(first)?;
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    (picture.before + picture.after > 0).then_some(picture)
}

impl Picture {
    fn letter(&mut self, letter: char) -> Option<()> {
        let in_fraction = self.pieces.contains(&Piece::Point);
        let piece = match letter.to_ascii_uppercase() {
            digit @ ('9' | '0') => {
                if digit == '0' && self.zero_start.is_none() && !in_fraction {
                    self.zero_start = Some(self.before);
                }
                if in_fraction {
                    self.after += 1
                } else {
                    self.before += 1
                }
                if digit == '0' {
                    self.zero_end = self.before + self.after;
                }
                if digit == '0' { Piece::Zero } else { Piece::Nine }
            }
            '.' | 'D' if !in_fraction => Piece::Point,
            ',' | 'G' if !in_fraction => Piece::Comma,
            'L' => Piece::Currency,
            'S' if self.sign == Sign::Plain => {
                self.sign = match self.before + self.after {
                    0 => Sign::Before,
                    _ => Sign::After,
                };
                return Some(());
            }
            ' ' | '$' | '%' | '-' | '/' | ':' | '(' | ')' => Piece::Literal(letter),
            _ => return None,
        };
        // Nothing of the number may follow its sign.
        let digits = matches!(piece, Piece::Nine | Piece::Zero | Piece::Point | Piece::Comma);
        if self.sign == Sign::After && digits {
            return None;
        }
        self.pieces.push(piece);
        Some(())
    }

    /// A decimal with its scale.
    pub(super) fn decimal(&self, unscaled: i128, scale: i8) -> String {
        let scale = usize::try_from(scale).unwrap_or(0);
        let mut digits = unscaled.unsigned_abs();
        let dropped = scale.saturating_sub(self.after);
        if dropped > 0 {
            let unit = 10_u128.pow(dropped as u32);
            digits = digits / unit + u128::from(digits % unit >= unit / 2);
        }
        let kept = scale.min(self.after);
        let text = format!("{digits:0width$}", width = kept + 1);
        let (whole, fraction) = text.split_at(text.len() - kept);
        let fraction = format!("{fraction:0<width$}", width = self.after);
        self.place(unscaled < 0 && digits != 0, whole, &fraction)
    }

    /// A float, rounded as C prints it.
    pub(super) fn float(&self, value: f64) -> String {
        let text = format!("{:.*}", self.after, value.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let zero = !text.contains(|c: char| ('1'..='9').contains(&c));
        self.place(value < 0.0 && !zero, whole, fraction)
    }

    fn place(&self, negative: bool, whole: &str, fraction: &str) -> String {
        let fits = whole.len() <= self.before;
        let digits = match fits {
            true => format!("{whole}{fraction}"),
            false => "#".repeat(self.before + self.after),
        };
        let digits = digits.as_bytes();
        let whole_length = whole.len().min(self.before);
        let digits = &digits[digits.len() - whole_length - self.after..];
        let writer = Writer {
            picture: self,
            negative,
            digits,
            blanks: self.before - whole_length,
            hidden_zero: fits && whole == "0" && self.zero_start.is_none() && self.after > 0,
            last: self.last_digit(&digits[whole_length..]),
            place: 0,
            started: false,
            signed: self.sign == Sign::Placed,
            text: String::new(),
        };
        writer.write()
    }

    /// How many digits of the fraction `FM` leaves.
    fn last_digit(&self, fraction: &[u8]) -> usize {
        let zeros = self.zero_end.saturating_sub(self.before);
        let used = fraction.iter().rposition(|d| *d != b'0').map_or(0, |at| at + 1);
        if self.unfilled { used.max(zeros) } else { self.after }
    }
}

/// A number being placed.
struct Writer<'a> {
    picture: &'a Picture,
    negative: bool,
    digits: &'a [u8],
    /// Places before the first digit.
    blanks: usize,
    /// The zero before the point of a fraction is not shown without a `0` in the template.
    hidden_zero: bool,
    last: usize,
    place: usize,
    started: bool,
    signed: bool,
    text: String,
}

impl Writer<'_> {
    fn write(mut self) -> String {
        for piece in &self.picture.pieces {
            match piece {
                Piece::Literal(letter) => self.text.push(*letter),
                Piece::Currency => self.text.push(' '),
                Piece::Minus if self.negative => self.text.push('-'),
                Piece::Minus if !self.picture.unfilled => self.text.push(' '),
                Piece::Minus => {}
                Piece::Comma if self.started => self.text.push(','),
                Piece::Comma if !self.picture.unfilled => self.text.push(' '),
                Piece::Comma => {}
                Piece::Point => {
                    self.sign();
                    self.started = true;
                    self.text.push('.');
                }
                Piece::Nine | Piece::Zero => self.digit(),
            }
        }
        if self.picture.sign == Sign::After {
            self.text.push(if self.negative { '-' } else { '+' });
        }
        self.text
    }

    fn digit(&mut self) {
        let (place, before) = (self.place, self.picture.before);
        self.place += 1;
        let zeros = self.picture.zero_start.is_some_and(|start| start <= place);
        if place >= before {
            if place - before < self.last {
                self.text.push(char::from(self.digits[place - self.blanks]));
            }
            return;
        }
        if place < self.blanks && !zeros {
            if !self.picture.unfilled {
                self.text.push(' ');
            }
        } else if place < self.blanks {
            self.sign();
            self.started = true;
            self.text.push('0');
        } else if self.hidden_zero {
            // Only `0.` without any other digit shows it.
            if !self.picture.unfilled {
                self.text.push(' ');
            } else if self.last == 0 {
                self.sign();
                self.started = true;
                self.text.push('0');
            }
        } else {
            self.sign();
            self.started = true;
            self.text.push(char::from(self.digits[place - self.blanks]));
        }
    }

    /// The sign stands right before the first digit.
    fn sign(&mut self) {
        if std::mem::replace(&mut self.signed, true) {
            return;
        }
        match (self.picture.sign, self.negative) {
            (Sign::Before, false) => self.text.push('+'),
            (Sign::Before | Sign::Plain, true) => self.text.push('-'),
            (Sign::Plain, false) if !self.picture.unfilled => self.text.push(' '),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_postgres() {
        let cases = [
            (12_345, 1, "9999.9", " 1234.5"),
            (5, 1, "9.99", "  .50"),
            (-5, 1, "9.99", " -.50"),
            (5, 1, "0.99", " 0.50"),
            (-12, 0, "9999", "  -12"),
            (12, 0, "FM9999", "12"),
            (12, 0, "0000", " 0012"),
            (1_234_567, 0, "9,999,999", " 1,234,567"),
            (1_234, 0, "9,999,999", "     1,234"),
            (12_345, 0, "999", " ###"),
            (150, 2, "FM990.00", "1.50"),
            (150, 2, "FM999.99", "1.5"),
            (12, 0, "S999", " +12"),
            (12, 0, "999S", " 12+"),
            (1, 1, "FM.99", ".##"),
        ];
        for (value, scale, pattern, want) in cases {
            let shown = parse(pattern).map(|picture| picture.decimal(value, scale));
            assert_eq!(shown.as_deref(), Some(want), "{value} {pattern}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for pattern in ["RN", "9PR", "9EEEE", "9th", "x9", ""] {
            assert_eq!(parse(pattern), None, "{pattern}");
        }
    }
}
