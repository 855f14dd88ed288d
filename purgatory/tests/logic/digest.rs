//! SHA-256 against the vectors of FIPS 180 (NIST's examples and byte-oriented short messages).

use rkexec_handover::digest::{matches, Hasher};

fn sha256(parts: &[&[u8]]) -> String {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hex::encode(hasher.finish())
}

const VECTORS: [(&[u8], &str); 5] = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
];

#[test]
fn the_short_vectors_of_nist_come_out() {
    for (message, expected) in VECTORS {
        assert_eq!(sha256(&[message]), expected);
    }
}

#[test]
fn a_million_times_a_comes_out() {
    let message = vec![b'a'; 1_000_000];
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(sha256(&[&message]), expected);
}

#[test]
fn it_does_not_matter_how_a_message_is_cut() {
    let message: Vec<u8> = (0..8192u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let whole = sha256(&[&message]);
    for cut in [0, 1, 55, 56, 63, 64, 65, 4095, 4096, 8192] {
        let (head, tail) = message.split_at(cut);
        assert_eq!(sha256(&[head, tail]), whole, "cut at {cut}");
    }
}

#[test]
fn one_bit_makes_the_difference() {
    let mut expected = [0; 32];
    hex::decode_to_slice(VECTORS[2].1, &mut expected).unwrap();
    assert!(matches(b"abc", &expected));
    assert!(!matches(b"abb", &expected));
    for byte in 0..32 {
        let mut wrong = expected;
        wrong[byte] ^= 0x40;
        assert!(!matches(b"abc", &wrong));
    }
}
