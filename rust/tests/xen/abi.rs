//! Which interface is used, for every kind of Xen that there is.

use rkexec::xen_abi::{Abi, Answers, Offer, Refusal, Version, Wish};

const EINVAL: i32 = -22;
const EOPNOTSUPP: i32 = -95;
const ENOSYS: i32 = -38;
const EPERM: i32 = -1;

fn choose(v1: i32, v2: i32, version: (u32, u32), wish: Wish) -> Result<Abi, Refusal> {
    let version = Version::new(version.0, version.1);
    Offer::read(Answers { v1, v2 }, version)?.choose(wish)
}

#[test]
fn with_both_v2_is_used_unless_the_user_wants_v1() {
    for version in [(4, 6), (4, 14), (4, 17), (4, 20), (4, 22), (5, 0)] {
        let choose = |wish| choose(EINVAL, EINVAL, version, wish);
        assert_eq!(choose(Wish::Auto), Ok(Abi::V2));
        assert_eq!(choose(Wish::Only(Abi::V2)), Ok(Abi::V2));
        assert_eq!(choose(Wish::Only(Abi::V1)), Ok(Abi::V1));
    }
}

#[test]
fn without_v1_the_wish_for_it_is_refused() {
    let choose = |wish| choose(EOPNOTSUPP, EINVAL, (4, 23), wish);
    assert_eq!(choose(Wish::Auto), Ok(Abi::V2));
    let refusal = choose(Wish::Only(Abi::V1)).unwrap_err();
    assert_eq!(refusal.to_string(), "Xen 4.23 has no kexec interface V1");
}

#[test]
fn without_v2_v1_is_used_where_it_can_be() {
    for missing in [0, EOPNOTSUPP] {
        assert_eq!(choose(EINVAL, missing, (4, 6), Wish::Auto), Ok(Abi::V1));
        let refusal = choose(EINVAL, missing, (4, 20), Wish::Only(Abi::V2)).unwrap_err();
        assert_eq!(refusal.to_string(), "Xen 4.20 has no kexec interface V2");
    }
}

#[test]
fn a_v1_that_maps_too_little_is_refused() {
    for minor in [4, 5] {
        assert_eq!(choose(EINVAL, EINVAL, (4, minor), Wish::Auto), Ok(Abi::V2));
        let refusal = choose(EINVAL, EINVAL, (4, minor), Wish::Only(Abi::V1)).unwrap_err();
        let line = refusal.to_string();
        assert!(line.ends_with("4.6 is the first where it can"));
    }
}

#[test]
fn before_4_4_there_is_nothing_to_use() {
    // It says 0 to a command that it does not know.
    for wish in [Wish::Auto, Wish::Only(Abi::V1), Wish::Only(Abi::V2)] {
        let refusal = choose(EINVAL, 0, (4, 3), wish).unwrap_err();
        let line = "Xen 4.3 is too old: 4.4 is the first with kexec interface V2";
        assert_eq!(refusal.to_string(), line);
    }
}

#[test]
fn who_may_not_or_cannot_is_told_so() {
    let text = |v1, v2| choose(v1, v2, (4, 20), Wish::Auto).unwrap_err().to_string();
    assert!(text(ENOSYS, ENOSYS).contains("was built without kexec (CONFIG_KEXEC)"));
    assert!(text(EPERM, EPERM).contains("allows this domain no kexec calls"));
}

#[test]
fn what_cannot_be_is_not_believed() {
    // 0 is what old versions say to any command; -14 what they say to a bad pointer.
    for (v1, v2, version) in [
        (0, 0, (4, 20)),
        (-14, -14, (4, 20)),
        (EOPNOTSUPP, EOPNOTSUPP, (4, 20)),
        (ENOSYS, 0, (4, 20)),
        // V2 in a Xen that is older than V2.
        (EINVAL, EINVAL, (4, 3)),
        (EOPNOTSUPP, EINVAL, (3, 4)),
    ] {
        let refusal = choose(v1, v2, version, Wish::Auto).unwrap_err();
        assert!(matches!(refusal, Refusal::Strange(..)), "{refusal}");
        let answers = format!("(V1: {v1}, V2: {v2})");
        assert!(refusal.to_string().contains(&answers));
    }
}

#[test]
fn a_wish_is_one_of_three_words() {
    assert_eq!(Wish::parse(b"auto"), Some(Wish::Auto));
    assert_eq!(Wish::parse(b"v1"), Some(Wish::Only(Abi::V1)));
    assert_eq!(Wish::parse(b"v2"), Some(Wish::Only(Abi::V2)));
    for bad in ["", "V1", "v3", "1", "auto ", "v", "v11"] {
        assert_eq!(Wish::parse(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn the_xens_that_may_crash_at_a_kexec_are_known() {
    let may_crash = |minor, extra: &[u8]| Version::new(4, minor).may_crash_at_exec(extra);
    // As Xen's Makefile, Debian, and others have it; the last of them have none.
    let some = ".0 .1 .0-rc2 .1-pre .0+7-g6e4c .1-2 .2-pre .2-rc1 -unstable -rc3 . ";
    for extra in some.split(' ') {
        assert!(may_crash(21, extra.as_bytes()), "{extra:?}");
        assert!(!may_crash(20, extra.as_bytes()));
        assert!(!may_crash(23, extra.as_bytes()));
    }
    for extra in "-unstable .0-rc1 .0-rc2 .0-rc2+1-gabc .0-rc -rc1".split(' ') {
        assert!(may_crash(22, extra.as_bytes()), "{extra:?}");
    }
    for extra in ".0-rc3 .0-rc10 .0 .0-1 .1-pre .1-rc1 . ".split(' ') {
        assert!(!may_crash(22, extra.as_bytes()), "{extra:?}");
    }
    for extra in ".2 .2+1-gabc .2-1 .3-pre .10 .12-pre".split(' ') {
        assert!(!may_crash(21, extra.as_bytes()), "{extra:?}");
    }
    assert!(!Version::new(5, 21).may_crash_at_exec(b".0"));
    // Not a number that anybody could count to.
    assert!(may_crash(21, b".99999999999999"));
    assert!(may_crash(21, &[b'.', 0xff]));
}
