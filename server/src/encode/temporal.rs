//! Writers for dates, times, timestamps, intervals and durations.
//! In: an array, whether it has a zone, the format. Out: a bound cell. How a moment looks is
//! decided in `datetime` and `interval`.

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::cell::{BoxCell, Unwritable};
use super::datetime::{
    DateForm, StampForm, micros_of, put_date, put_date_binary, put_time, put_time_binary,
    put_timestamp, put_timestamp_binary,
};
use super::interval::{Interval, put_interval, put_interval_binary};
use super::options::{Format, IntervalStyle, SessionZone};
use super::scalar::primitive;

/// How temporal values are written.
#[derive(Clone, Copy)]
pub(super) struct Temporal {
    pub(super) format: Format,
    pub(super) form: DateForm,
    pub(super) interval: IntervalStyle,
    pub(super) zone: SessionZone,
}

impl Temporal {
    /// The writer of a temporal array; `None` if it is not one. `zoned` asks for timestamps with
    /// time zone.
    pub(super) fn bind(&self, array: &dyn Array, zoned: bool) -> Option<BoxCell> {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        Some(match array.data_type() {
            DataType::Date32 => self.date::<Date32Type>(array, Some),
            DataType::Date64 => {
                self.date::<Date64Type>(array, |ms| i32::try_from(ms.div_euclid(86_400_000)).ok())
            }
            DataType::Time32(Second) => self.time::<Time32SecondType>(array, Second),
            DataType::Time32(_) => self.time::<Time32MillisecondType>(array, Millisecond),
            DataType::Time64(Microsecond) => self.time::<Time64MicrosecondType>(array, Microsecond),
            DataType::Time64(_) => self.time::<Time64NanosecondType>(array, Nanosecond),
            DataType::Timestamp(unit, _) => match unit {
                Second => self.timestamp::<TimestampSecondType>(array, *unit, zoned),
                Millisecond => self.timestamp::<TimestampMillisecondType>(array, *unit, zoned),
                Microsecond => self.timestamp::<TimestampMicrosecondType>(array, *unit, zoned),
                Nanosecond => self.timestamp::<TimestampNanosecondType>(array, *unit, zoned),
            },
            DataType::Duration(unit) => match unit {
                Second => self.duration::<DurationSecondType>(array, *unit),
                Millisecond => self.duration::<DurationMillisecondType>(array, *unit),
                Microsecond => self.duration::<DurationMicrosecondType>(array, *unit),
                Nanosecond => self.duration::<DurationNanosecondType>(array, *unit),
            },
            DataType::Interval(unit) => self.interval_of(array, *unit),
            _ => return None,
        })
    }

    fn date<T: ArrowPrimitiveType>(
        &self,
        array: &dyn Array,
        days: impl Fn(T::Native) -> Option<i32> + Send + Sync + 'static,
    ) -> BoxCell {
        let form = self.form;
        match self.format {
            Format::Text => primitive::<T, _>(array, move |value, out| {
                put_date(days(value).ok_or(Unwritable::Moment)?, form, out);
                Ok(())
            }),
            Format::Binary => primitive::<T, _>(array, move |value, out| {
                put_date_binary(days(value).ok_or(Unwritable::Moment)?, out)
            }),
        }
    }

    fn time<T>(&self, array: &dyn Array, unit: TimeUnit) -> BoxCell
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i64>,
    {
        match self.format {
            Format::Text => primitive::<T, _>(array, move |value, out| {
                put_time(micros_of(value.into(), unit)?, out)
            }),
            Format::Binary => primitive::<T, _>(array, move |value, out| {
                put_time_binary(micros_of(value.into(), unit)?, out)
            }),
        }
    }

    fn timestamp<T>(&self, array: &dyn Array, unit: TimeUnit, zoned: bool) -> BoxCell
    where
        T: ArrowPrimitiveType<Native = i64>,
    {
        let how = StampForm::new(self.form, zoned.then_some(self.zone));
        match self.format {
            Format::Text => primitive::<T, _>(array, move |value, out| {
                put_timestamp(micros_of(value, unit)?, &how, out);
                Ok(())
            }),
            Format::Binary => primitive::<T, _>(array, move |value, out| {
                put_timestamp_binary(micros_of(value, unit)?, out)
            }),
        }
    }

    fn duration<T>(&self, array: &dyn Array, unit: TimeUnit) -> BoxCell
    where
        T: ArrowPrimitiveType<Native = i64>,
    {
        self.interval::<T>(array, move |value| {
            // Towards zero, as an interval has no past: -1 ns is no time at all.
            let micros = match unit {
                TimeUnit::Nanosecond => value / 1000,
                _ => micros_of(value, unit)?,
            };
            Ok(Interval { months: 0, days: 0, micros })
        })
    }

    fn interval_of(&self, array: &dyn Array, unit: IntervalUnit) -> BoxCell {
        match unit {
            IntervalUnit::YearMonth => self.interval::<IntervalYearMonthType>(array, |months| {
                Ok(Interval { months, days: 0, micros: 0 })
            }),
            IntervalUnit::DayTime => self.interval::<IntervalDayTimeType>(array, |it| {
                let micros = i64::from(it.milliseconds) * 1000;
                Ok(Interval { months: 0, days: it.days, micros })
            }),
            IntervalUnit::MonthDayNano => self.interval::<IntervalMonthDayNanoType>(array, |it| {
                let micros = it.nanoseconds / 1000;
                Ok(Interval { months: it.months, days: it.days, micros })
            }),
        }
    }

    fn interval<T: ArrowPrimitiveType>(
        &self,
        array: &dyn Array,
        parts: impl Fn(T::Native) -> Result<Interval, Unwritable> + Send + Sync + 'static,
    ) -> BoxCell {
        let style = self.interval;
        match self.format {
            Format::Text => primitive::<T, _>(array, move |value, out| {
                put_interval(parts(value)?, style, out);
                Ok(())
            }),
            Format::Binary => primitive::<T, _>(array, move |value, out| {
                put_interval_binary(parts(value)?, out);
                Ok(())
            }),
        }
    }
}
