//! The event parser, fed in pieces of every size.

use super::*;

/// Feeds `input` in pieces of `size` bytes and gives every event as `name=data`.
fn read(input: &[u8], size: usize) -> Vec<String> {
    let mut reader = EventReader::default();
    let mut events = Vec::new();
    for piece in input.chunks(size.max(1)) {
        reader.push(piece).unwrap();
        while let Some(event) = reader.next_event() {
            events.push(shown(&event));
        }
    }
    events.extend(reader.rest().iter().map(shown));
    events
}

fn shown(event: &Event) -> String {
    format!("{}={}", event.name, String::from_utf8_lossy(&event.data))
}

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    for size in 1..=input.len().max(1) {
        assert_eq!(
            read(input.as_bytes(), size),
            expected,
            "in pieces of {size}"
        );
    }
}

#[test]
fn events_are_read_whatever_their_line_ends_and_pieces() {
    check("data: a\n\ndata: b\n\n", &["=a", "=b"]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &["=a", "=b"]);
    check("data: a\r\rdata: b\r\r", &["=a", "=b"]);
    check("event: error\ndata: x\n\n", &["error=x"]);
    check("data:a\ndata: b\n\n", &["=a\nb"]);
    check("data:  two spaces \n\n", &["= two spaces "]);
    check("data: 한국어 🙂\n\n", &["=한국어 🙂"]);
    check("\u{feff}data: a\n\n", &["=a"]);
}

#[test]
fn what_is_no_data_makes_no_event() {
    check("", &[]);
    check("\n\n\n", &[]);
    check(": keep alive\n\n", &[]);
    check("event: ping\n\nid: 7\nretry: 10\n\n", &[]);
    check("nonsense\n\ndata: a\n\n", &["=a"]);
    check("data\n\n", &["="]);
}

#[test]
fn the_last_event_counts_even_unclosed() {
    check("data: a\n\ndata: [DONE]", &["=a", "=[DONE]"]);
    check("data: [DONE]\n", &["=[DONE]"]);
}

#[test]
fn an_endless_line_is_refused() {
    let mut reader = EventReader::default();
    let piece = vec![b'x'; 1024 * 1024];
    let refused = (0..8).find_map(|_| {
        let result = reader.push(&piece);
        while reader.next_event().is_some() {}
        result.err()
    });
    assert_eq!(refused.unwrap().kind, ProviderErrorKind::Malformed);
}

proptest::proptest! {
    #[test]
    fn pieces_never_change_what_is_read(
        input in proptest::collection::vec(
            proptest::sample::select(b"data: event:\r\n\n\n\xed\x95\x9c{}".to_vec()), 0..200),
        size in 1usize..20,
    ) {
        proptest::prop_assert_eq!(read(&input, size), read(&input, input.len()));
    }
}
