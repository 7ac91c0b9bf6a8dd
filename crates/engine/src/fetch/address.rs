//! Which addresses are on the public internet, and which others the operator opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::{FetchError, FetchErrorKind};

/// Whether `ip` is routable on the public internet: not private, loopback, link-local, shared
/// (CGNAT), multicast, reserved, for documentation or benchmarks, nor such an address in an IPv6
/// disguise. After the IANA special-purpose address registries (RFC 6890 and its successors).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, d] = ip.octets();
    let special = match (a, b, c) {
        // "This network"; private; loopback.
        (0 | 10 | 127, ..) => true,
        // Shared address space of carriers (RFC 6598), and of some clouds' metadata.
        (100, 64..=127, _) => true,
        // Link-local, with the metadata service of most clouds at 169.254.169.254.
        (169, 254, _) => true,
        // Private.
        (172, 16..=31, _) | (192, 168, _) => true,
        // IETF protocol assignments; documentation; the retired 6to4 relays (RFC 7526).
        (192, 0, 0 | 2) | (192, 88, 99) => true,
        // Benchmarks (RFC 2544); documentation (RFC 5737).
        (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast; reserved; broadcast.
        (224.., ..) => true,
        // Azure's platform service: a public number that answers inside every virtual machine.
        (168, 63, 129) => d == 16,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    match segments {
        // IPv4-mapped: the system connects to the IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, ..] => is_public_v4(last_four(ip)),
        // NAT64 (RFC 6052): where it is in use every IPv4 host is seen so, hence by its address.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(last_four(ip)),
        // IETF protocol assignments, Teredo among them; documentation (RFC 3849).
        [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        // 6to4, retired (RFC 7526): a way round every check above.
        [0x2002, ..] => false,
        // Documentation (RFC 9637).
        [0x3fff, 0..=0xfff, ..] => false,
        // Of all the rest only 2000::/3 is global unicast: this leaves out loopback, unspecified,
        // IPv4-compatible, link-local, site-local, unique local and multicast addresses.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn last_four(ip: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// What the operator opened beyond the public internet.
#[derive(Debug, Default)]
pub(super) struct Openings {
    networks: Vec<Network>,
    hosts: Vec<(Host<String>, Option<u16>)>,
}

/// All addresses that share their first `prefix` bits with `ip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    ip: IpAddr,
    prefix: u8,
}

impl Openings {
    /// Reads the entries of `FetchPolicy::allow`.
    pub fn parse(entries: &[String]) -> Result<Self, FetchError> {
        let mut openings = Self::default();
        for entry in entries {
            openings.add(entry.trim()).ok_or_else(|| {
                FetchError::new(
                    FetchErrorKind::Misconfigured,
                    format!(
                        "\"{entry}\" is not a host, host:port, address or network (10.1.0.0/16)."
                    ),
                )
            })?;
        }
        Ok(openings)
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        if let Some((ip, prefix)) = entry.split_once('/') {
            self.networks
                .push(Network::new(ip.parse().ok()?, prefix.parse().ok()?)?);
            return Some(());
        }
        if let Ok(ip) = entry.parse::<IpAddr>() {
            let prefix = if ip.is_ipv4() { 32 } else { 128 };
            self.networks.push(Network { ip, prefix });
            return Some(());
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.contains(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        self.hosts.push((plain(Host::parse(host).ok()?), port));
        Some(())
    }

    /// Whether the address's host (and port, where the entry has one) was opened by name.
    pub fn name(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        let host = plain(host.to_owned());
        self.hosts.iter().any(|(opened, port)| {
            *opened == host && (port.is_none() || *port == url.port_or_known_default())
        })
    }

    /// Whether `ip` may be connected to: it is public, or within an opened network.
    pub fn reachable(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.networks.iter().any(|network| network.contains(ip))
    }
}

impl Network {
    fn new(ip: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { ip, prefix })
    }

    /// An IPv4 address in its IPv6 disguise is the same address.
    fn contains(&self, ip: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits - self.prefix);
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits())
                    .checked_shr(shift(32))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits())
                    .checked_shr(shift(128))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Without the dot that may end a full domain name.
fn plain(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        literal => literal,
    }
}

#[cfg(test)]
mod tests;
