//! Every target reads what it is known to read: its seeds, and what fuzzing has found (`corpus/`).

use rkexec_fuzz::targets;

#[test]
fn every_target_reads_its_seeds_and_its_corpus() {
    for target in targets::ALL {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        let corpus = target.corpus().expect("the corpus");
        println!(
            "{}: {} seeds, {} more",
            target.name,
            seeds.len(),
            corpus.len()
        );
        for input in seeds.iter().chain(&corpus) {
            assert!(
                input.len() <= target.most_bytes,
                "{}: {} bytes",
                target.name,
                input.len()
            );
            (target.run)(input);
        }
        // Nothing, and what is nothing.
        for input in [&[][..], &[0; 64], &[0xff; 64]] {
            (target.run)(input);
        }
    }
}
