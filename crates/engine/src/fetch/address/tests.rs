//! Which addresses count as public, in every spelling.

use super::*;

#[track_caller]
fn check(public: bool, addresses: &[&str]) {
    for address in addresses {
        let ip: IpAddr = address.parse().unwrap();
        assert_eq!(is_public(ip), public, "{address}");
    }
}

#[test]
fn public_addresses() {
    check(
        true,
        &[
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    );
}

#[test]
fn special_ipv4_addresses() {
    check(
        false,
        &[
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ],
    );
}

#[test]
fn special_ipv6_addresses() {
    check(
        false,
        &[
            "::",
            "::1",
            "::7f00:1",
            "::10.0.0.1",
            "::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
        ],
    );
}

#[test]
fn ipv4_addresses_in_disguise() {
    check(
        false,
        &[
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::192.168.1.1",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
        ],
    );
}

#[track_caller]
fn check_openings(entries: &[&str], opened: &[&str], closed: &[&str]) {
    let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
    let openings = Openings::parse(&entries).unwrap();
    let open = |url: &&&str| {
        let url = Url::parse(url).unwrap();
        let by_address = match url.host().unwrap() {
            Host::Ipv4(ip) => openings.reachable(ip.into()),
            Host::Ipv6(ip) => openings.reachable(ip.into()),
            Host::Domain(_) => false,
        };
        by_address || openings.name(&url)
    };
    assert_eq!(
        opened.iter().filter(open).count(),
        opened.len(),
        "{entries:?} opens all {opened:?}"
    );
    assert_eq!(
        closed.iter().filter(open).count(),
        0,
        "{entries:?} opens none of {closed:?}"
    );
}

#[test]
fn openings_open_what_they_say_and_no_more() {
    check_openings(
        &[],
        &["http://8.8.8.8"],
        &["http://10.0.0.1", "http://wiki"],
    );
    check_openings(
        &["Wiki.Corp."],
        &["http://wiki.corp", "https://WIKI.corp.:8443"],
        &["http://a.wiki.corp", "http://corp"],
    );
    check_openings(
        &["wiki:8080"],
        &["http://wiki:8080", "https://wiki:8080"],
        &["http://wiki", "http://wiki:80"],
    );
    check_openings(&["wiki:443"], &["https://wiki"], &["http://wiki"]);
    check_openings(
        &["127.0.0.1:8080"],
        &[
            "http://127.0.0.1:8080",
            "http://0x7f.1:8080",
            "http://2130706433:8080",
        ],
        &[
            "http://127.0.0.1",
            "http://127.0.0.2:8080",
            "http://localhost:8080",
        ],
    );
    check_openings(
        &["[::1]:80"],
        &["http://[::1]"],
        &["http://[::1]:81", "http://[::2]"],
    );
    check_openings(&["10.1.2.3"], &["http://10.1.2.3:99"], &["http://10.1.2.4"]);
    check_openings(
        &["10.1.0.0/16", "fd00::/8"],
        &[
            "http://10.1.255.255",
            "http://[::ffff:10.1.2.3]",
            "http://[fd12::1]",
        ],
        &["http://10.2.0.0", "http://[fc00::1]"],
    );
    check_openings(&["0.0.0.0/0"], &["http://127.0.0.1"], &["http://[::1]"]);
    check_openings(&["한국.test"], &["http://xn--3e0b707e.test"], &[]);
}

#[test]
fn openings_that_mean_nothing_are_refused() {
    for entry in [
        "",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0/8",
        "wiki:port",
        "wiki:99999",
        "a b",
        "10.0.0.0/-1",
    ] {
        let error = Openings::parse(&[entry.to_owned()]).unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Misconfigured, "{entry}");
    }
}
