//! Network addresses (`inet`): they travel through plans as text. In: the text or the bytes of one.
//! Out: the other. Knows no operators.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// PostgreSQL's numbers for the families.
const V4: u8 = 2;
const V6: u8 = 3;

/// An address and the bits of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inet {
    address: IpAddr,
    bits: u8,
}

impl Inet {
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `::1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = bits.map_or(Some(most(address)), |bits| bits.parse().ok())?;
        (bits <= most(address)).then_some(Self { address, bits })
    }

    /// Reads the binary form.
    pub fn from_binary(bytes: &[u8]) -> Option<Self> {
        let [family, bits, _is_cidr, length, address @ ..] = bytes else { return None };
        let address: IpAddr = match (*family, *length) {
            (V4, 4) => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
            (V6, 16) => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
            _ => return None,
        };
        (*bits <= most(address)).then_some(Self { address, bits: *bits })
    }

    /// The binary form.
    pub fn to_binary(self) -> Vec<u8> {
        let (family, address) = match self.address {
            IpAddr::V4(address) => (V4, address.octets().to_vec()),
            IpAddr::V6(address) => (V6, address.octets().to_vec()),
        };
        let head = [family, self.bits, 0, address.len() as u8];
        [&head[..], &address].concat()
    }
}

impl std::fmt::Display for Inet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address)?;
        if self.bits == most(self.address) { Ok(()) } else { write!(f, "/{}", self.bits) }
    }
}

fn most(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes() {
        for (text, shown, bytes) in [
            ("10.1.2.3", "10.1.2.3", &[2, 32, 0, 4, 10, 1, 2, 3][..]),
            ("10.1.2.3/32", "10.1.2.3", &[2, 32, 0, 4, 10, 1, 2, 3]),
            ("10.0.0.0/8", "10.0.0.0/8", &[2, 8, 0, 4, 10, 0, 0, 0]),
            ("::1", "::1", &[3, 128, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ] {
            let inet = Inet::parse(text).expect(text);
            assert_eq!((inet.to_string().as_str(), &*inet.to_binary()), (shown, bytes));
            assert_eq!(Inet::from_binary(bytes), Some(inet));
        }
        for text in ["", "10.1", "10.1.2.3/33", "x"] {
            assert_eq!(Inet::parse(text), None, "{text}");
        }
        assert_eq!(Inet::from_binary(&[2, 32, 0, 4, 10, 1, 2]), None);
    }
}
