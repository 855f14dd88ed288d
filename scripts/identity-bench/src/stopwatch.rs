//! Takes times.

use std::time::{Duration, Instant};

use anyhow::Result;

/// So many rounds there are at least and at most, and so long they go on in between.
const ROUNDS: (usize, usize) = (5, 5_000);
const PATIENCE: Duration = Duration::from_millis(500);

/// Rounds that do not count: caches and branch predictors learn.
const WARM_UP: usize = 2;

/// The median time of each of these, which take turns: what disturbs one disturbs the others.
pub fn medians<const N: usize>(
    mut runners: [&mut dyn FnMut() -> Result<()>; N],
) -> Result<[Duration; N]> {
    let mut times = [(); N].map(|()| Vec::new());
    let start = Instant::now();
    for round in 0..WARM_UP + ROUNDS.1 {
        if round >= WARM_UP + ROUNDS.0 && start.elapsed() > PATIENCE {
            break;
        }
        for (run, times) in runners.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run()?;
            let time = start.elapsed();
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}
