//! Which addresses a webhook may connect to: the public Internet, and what the operator of the cluster opened.
//!
//! The rule looks at the address that is about to be connected to, never at a name, so that a name that resolves to
//! something else a second later (DNS rebinding) gains nothing. Source: the IANA special-purpose address registries
//! (RFC 6890), and the metadata services of the large clouds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A CIDR, e.g. `10.96.0.0/12` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Text that is no CIDR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network like 10.0.0.0/8 or fd00::/8, with no bit set behind the prefix")]
pub struct NotANetwork(String);

impl Network {
    const fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// True if `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = mask(32, self.prefix);
                u128::from(network.to_bits()) & mask == u128::from(address.to_bits()) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = mask(128, self.prefix);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The first `prefix` of `width` bits.
fn mask(width: u32, prefix: u8) -> u128 {
    let all = u128::MAX >> (128 - width);
    all & !(all.checked_shr(u32::from(prefix)).unwrap_or(0))
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let refused = || NotANetwork(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        let (width, bits) = match address {
            IpAddr::V4(address) => (32, u128::from(address.to_bits())),
            IpAddr::V6(address) => (128, address.to_bits()),
        };
        if u32::from(prefix) > width || bits & !mask(width, prefix) != 0 {
            return Err(refused());
        }
        Ok(Self::new(address, prefix))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere on the Internet.
    Public,
    /// Inside somebody's network; only where it was opened.
    Internal,
    /// This machine; only in `dev`.
    Loopback,
    /// Never: metadata services, link-local, multicast, unspecified, reserved.
    Never,
}

/// Which addresses are connected to.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// Internal networks that are open, e.g. for receivers in the same Kubernetes cluster. Wins over `own`.
    pub allowed: Vec<Network>,
    /// Networks of the own cluster that are not told by their address, e.g. public addresses of its machines.
    pub own: Vec<Network>,
    /// Loopback is open: `dev` only.
    pub allow_loopback: bool,
}

impl AddressRules {
    /// May a webhook connect to `address`?
    pub fn permit(&self, address: IpAddr) -> bool {
        let (address, reach) = classify(address);
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        match reach {
            Reach::Public => !is_in(&self.own) || is_in(&self.allowed),
            Reach::Internal => is_in(&self.allowed),
            Reach::Loopback => self.allow_loopback,
            Reach::Never => false,
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix)
}

/// `high` and `low` are the two halves of the address.
const fn v6(high: u64, low: u64, prefix: u8) -> Network {
    let bits = (high as u128) << 64 | low as u128;
    Network::new(IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix)
}

/// The first row that contains an address says what it is; an IPv4 address in no row is public.
const V4: [(Network, Reach); 20] = [
    (v4(0, 0, 0, 0, 8), Reach::Never), // "this network"; 0.0.0.0 connects to loopback
    (v4(127, 0, 0, 0, 8), Reach::Loopback),
    (v4(169, 254, 0, 0, 16), Reach::Never), // link-local, and the metadata service of most clouds
    (v4(100, 100, 100, 200, 32), Reach::Never), // metadata service of Alibaba Cloud
    (v4(168, 63, 129, 16, 32), Reach::Never), // platform service of Azure, on a public address
    (v4(10, 0, 0, 0, 8), Reach::Internal),
    (v4(172, 16, 0, 0, 12), Reach::Internal),
    (v4(192, 168, 0, 0, 16), Reach::Internal),
    (v4(100, 64, 0, 0, 10), Reach::Internal), // carrier-grade NAT; some clusters use it for pods
    (v4(198, 18, 0, 0, 15), Reach::Internal), // benchmarks
    (v4(192, 0, 2, 0, 24), Reach::Internal),  // documentation
    (v4(198, 51, 100, 0, 24), Reach::Internal), // documentation
    (v4(203, 0, 113, 0, 24), Reach::Internal), // documentation
    (v4(192, 0, 0, 0, 24), Reach::Never),     // IETF protocol assignments, and the metadata service of Oracle Cloud
    (v4(192, 88, 99, 0, 24), Reach::Never),   // relays to 6to4
    (v4(192, 31, 196, 0, 24), Reach::Never),  // AS112
    (v4(192, 52, 193, 0, 24), Reach::Never),  // AMT
    (v4(192, 175, 48, 0, 24), Reach::Never),  // AS112
    (v4(224, 0, 0, 0, 4), Reach::Never),      // multicast
    (v4(240, 0, 0, 0, 4), Reach::Never),      // reserved, broadcast
];

/// As [`V4`]; an IPv6 address in no row is not in use and never connected to.
const V6: [(Network, Reach); 11] = [
    (v6(0, 0x1, 128), Reach::Loopback),
    (v6(0xfd00_0ec2_0000_0000, 0x254, 128), Reach::Never), // metadata service of AWS
    (v6(0xfd20_00ce_0000_0000, 0x254, 128), Reach::Never), // metadata service of Google Cloud
    (v6(0xfc00_0000_0000_0000, 0, 7), Reach::Internal),    // unique local
    (v6(0x2001_0db8_0000_0000, 0, 32), Reach::Internal),   // documentation
    (v6(0x3fff_0000_0000_0000, 0, 20), Reach::Internal),   // documentation
    (v6(0x2001_0000_0000_0000, 0, 23), Reach::Never),      // protocol assignments, Teredo, ORCHID
    (v6(0x2620_004f_8000_0000, 0, 48), Reach::Never),      // AS112
    (v6(0xfe80_0000_0000_0000, 0, 10), Reach::Never),      // link-local
    (v6(0xff00_0000_0000_0000, 0, 8), Reach::Never),       // multicast
    (v6(0x2000_0000_0000_0000, 0, 3), Reach::Public),      // everything that is assigned
];

const MAPPED: Network = v6(0, 0xffff_0000_0000, 96);
const NAT64: Network = v6(0x0064_ff9b_0000_0000, 0, 96);
const SIX_TO_FOUR: Network = v6(0x2002_0000_0000_0000, 0, 16);

/// What `address` is for. One that carries an IPv4 address (mapped, NAT64, 6to4) is what that one is; it is returned in
/// place of the carrier, so that allow-lists name it in one form.
pub fn classify(address: IpAddr) -> (IpAddr, Reach) {
    let carried = match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(carrier) if MAPPED.contains(address) || NAT64.contains(address) => Some(bits_of(carrier, 0)),
        IpAddr::V6(carrier) if SIX_TO_FOUR.contains(address) => Some(bits_of(carrier, 80)),
        IpAddr::V6(_) => None,
    };
    let (address, table, unlisted): (IpAddr, &[(Network, Reach)], Reach) = match carried {
        Some(carried) => (IpAddr::V4(carried), &V4, Reach::Public),
        None => (address, &V6, Reach::Never),
    };
    let row = table.iter().find(|(network, _)| network.contains(address));
    (address, row.map_or(unlisted, |(_, reach)| *reach))
}

/// The 32 bits of `carrier` that end `from_end` bits before its end.
fn bits_of(carrier: Ipv6Addr, from_end: u32) -> Ipv4Addr {
    let [.., a, b, c, d] = (carrier.to_bits() >> from_end).to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("the address of a test is valid")
    }

    fn network(text: &str) -> Network {
        text.parse().expect("the network of a test is valid")
    }

    #[test]
    fn addresses_are_what_the_registries_say() {
        let table = [
            (
                Reach::Public,
                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 \
                 172.32.0.0 192.167.255.255 223.255.255.255 2606:4700::1111 2001:4860:4860::8888 \
                 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1",
            ),
            (
                Reach::Internal,
                "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 \
                 100.127.255.255 198.18.0.1 198.19.255.255 192.0.2.1 198.51.100.1 203.0.113.1 \
                 fc00::1 fd12:3456::1 2001:db8::1 3fff::1 ::ffff:10.0.0.1 ::ffff:c0a8:1 \
                 64:ff9b::10.0.0.1 64:ff9b::100.64.0.1 2002:0a00:0001::1 2002:c0a8:101::1",
            ),
            (
                Reach::Loopback,
                "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
            ),
            (
                Reach::Never,
                "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 100.100.100.200 168.63.129.16 \
                 192.0.0.192 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: \
                 ::2 ::10.0.0.1 ::127.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 \
                 ::ffff:0:10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::10.0.0.1 64:ff9b:1::8.8.8.8 \
                 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:20::1 2002:a9fe:a9fe::1 \
                 fd00:ec2::254 fd20:ce::254 fe80::1 febf::1 fec0::1 ff02::1 5f00::1 4000::1 \
                 e000::1",
            ),
        ];
        for (reach, texts) in table {
            for text in texts.split_whitespace() {
                assert_eq!(classify(address(text)).1, reach, "{text}");
            }
        }
    }

    #[test]
    fn only_public_addresses_are_open_by_default() {
        let rules = AddressRules::default();
        assert!(rules.permit(address("8.8.8.8")) && rules.permit(address("2606:4700::1111")));
        for text in [
            "10.0.0.1",
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "::ffff:10.0.0.1",
            "fd00::1",
        ] {
            assert!(!rules.permit(address(text)), "{text}");
        }
    }

    #[test]
    fn an_allow_list_opens_internal_networks_and_nothing_worse() {
        let rules = AddressRules {
            allowed: vec![network("0.0.0.0/0"), network("::/0")],
            own: vec![],
            allow_loopback: false,
        };
        for text in ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "fd00::1", "8.8.8.8"] {
            assert!(rules.permit(address(text)), "{text}");
        }
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
        ] {
            assert!(!rules.permit(address(text)), "{text}");
        }
    }

    #[test]
    fn own_networks_are_closed_but_for_what_is_allowed_in_them() {
        let rules = AddressRules {
            allowed: vec![network("20.0.0.8/32"), network("10.96.7.0/24")],
            own: vec![network("20.0.0.0/16"), network("2a00:1::/32")],
            allow_loopback: false,
        };
        for (text, open) in [
            ("20.0.0.8", true),
            ("20.0.0.9", false),
            ("20.1.0.0", true),
            ("2a00:1::5", false),
            ("10.96.7.9", true),
            ("10.96.8.9", false),
        ] {
            assert_eq!(rules.permit(address(text)), open, "{text}");
        }
    }

    #[test]
    fn loopback_is_open_only_where_it_is_set() {
        let rules = AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        };
        assert!(rules.permit(address("127.0.0.1")) && rules.permit(address("::1")));
        assert!(!rules.permit(address("0.0.0.0")) && !rules.permit(address("10.0.0.1")));
    }

    #[test]
    fn networks_are_read_and_written_alike() {
        for text in [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "192.0.2.7/32",
            "::/0",
            "fd00::/8",
            "2001:db8::1/128",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/a",
            "::/129",
            "fd00::1/8",
            "a/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
