//! Exceptions: which vectors push an error code, and how a gate looks.

use rkexec_handover::exception::{interrupt_gate, Exception, STUB_BYTES};

const STUBS: u64 = 0x7fff_1000;

fn decode(vector: u64, rest: [u64; 2]) -> Exception {
    // The call in a stub is 5 bytes long: an opcode and a 32-bit displacement.
    let ret = STUBS + vector * STUB_BYTES + 5;
    Exception::decode(&[ret, rest[0], rest[1]], STUBS, 0xc2)
}

#[test]
fn every_vector_is_told_by_its_stub() {
    for vector in 0..32 {
        assert_eq!(decode(vector, [0x1000, 0x10]).vector, vector);
    }
}

#[test]
fn rip_lies_behind_the_error_code_where_there_is_one() {
    // Intel SDM vol. 3, table 7-1; AMD APM vol. 2, 8.2, for 29 (#VC) and 30 (#SX).
    let decoded = |vector, stack| {
        let exception = decode(vector, stack);
        (exception.error_code, exception.rip)
    };
    for vector in [8, 10, 11, 12, 13, 14, 17, 21, 29, 30] {
        assert_eq!(decoded(vector, [0xe, 0x1000]), (0xe, 0x1000), "{vector}");
    }
    for vector in [0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 18, 19, 20, 22, 28, 31] {
        assert_eq!(decoded(vector, [0x1000, 0x10]), (0, 0x1000), "{vector}");
    }
}

#[test]
fn a_broken_stack_still_gives_a_vector() {
    assert!(Exception::decode(&[0; 3], u64::MAX, 0).vector < 32);
    assert!(Exception::decode(&[u64::MAX; 3], 0, 0).vector < 32);
}

#[test]
fn a_gate_is_laid_out_as_the_processor_reads_it() {
    let [low, high] = interrupt_gate(0x1122_3344_5566_7788, 0x10, 0);
    assert_eq!(low & 0xffff, 0x7788, "offset 15:0");
    assert_eq!((low >> 16) & 0xffff, 0x10, "selector");
    assert_eq!((low >> 32) & 7, 0, "no interrupt stack table");
    let kind = (low >> 40) & 0xff;
    assert_eq!(kind, 0x8e, "present, DPL 0, 64-bit interrupt gate");
    assert_eq!(low >> 48, 0x5566, "offset 31:16");
    assert_eq!(high, 0x1122_3344, "offset 63:32");

    let [with_stack, _] = interrupt_gate(0x1122_3344_5566_7788, 0x10, 1);
    assert_eq!(with_stack, low | (1 << 32), "the first interrupt stack");
}
