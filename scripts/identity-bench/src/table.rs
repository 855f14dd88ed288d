//! All machines as lines of text.

use std::time::Duration;

use crate::contest::{Built, Row};

const HEAD: &str = "\
Identity maps of real machines, by their RAM: four levels, pages of 1 GiB.
  time     median of one map, microseconds; the memory for tables is there beforehand
           ours   from the memory map as the firmware has it to the last table
           fill   the part of it that Linux does, too: ranges are sorted, tables are filled
           linux  kernel_ident_mapping_init() for the ranges that kexec maps
           4K     the bytes of ours in pages of 4 KiB; -: its tables exceed 256 MiB
  ratio    time of linux / time of ours, of fill
  tables   pages of 4 KiB
  outside  bytes mapped write-back that are neither RAM nor ACPI's: holes, devices, reserved memory
";

/// The head of a column, and what a line says of a machine in it.
type Column = (&'static str, fn(&Row) -> String);

/// A `|` begins a group.
const COLUMNS: [Column; 14] = [
    ("machine", |row| row.name.clone()),
    ("RAM", |row| bytes(row.ram_bytes)),
    ("map", |row| row.nr_entries.to_string()),
    ("| time: ours", |row| {
        format!("{:.2}", micros(row.ours.time))
    }),
    ("fill", |row| format!("{:.2}", micros(row.fill_time))),
    ("linux", |row| format!("{:.2}", micros(row.linux.time))),
    ("4K", |row| {
        let time = row.four_kib.time.map(micros);
        time.map_or("-".into(), |time| format!("{time:.0}"))
    }),
    ("| ratio: ours", |row| format!("{:.2}", row.ratio())),
    ("fill", |row| format!("{:.2}", row.fill_ratio())),
    ("| tables: ours", |row| row.ours.nr_tables.to_string()),
    ("linux", |row| row.linux.nr_tables.to_string()),
    ("4K", |row| row.four_kib.nr_tables.to_string()),
    ("| outside: ours", |row| bytes(row.ours.outside_bytes)),
    ("linux", |row| bytes(row.linux.outside_bytes)),
];

/// The text, a line for each machine and then what they have in common.
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![COLUMNS.map(|(name, _)| name.to_owned())];
    lines.extend(rows.iter().map(|row| COLUMNS.map(|(_, value)| value(row))));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<_> = (0..COLUMNS.len()).filter_map(width).collect();
    let mut text = format!("{HEAD}\n");
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            text += &format!("{cell:>width$} ");
        }
        text.push('\n');
    }
    text + &summary(rows)
}

/// What all machines have in common.
fn summary(rows: &[Row]) -> String {
    let sum = |of: &dyn Fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    let outside = |of: fn(&Row) -> &Built| bytes(sum(&|row| of(row).outside_bytes));
    format!(
        "\n{} machines. Linux's time over ours: {}; over fill: {}.\n\
         Tables of all: ours {}, linux {}, 4K {}. Outside: ours {}, linux {}.\n",
        rows.len(),
        spread(rows.iter().map(Row::ratio)),
        spread(rows.iter().map(Row::fill_ratio)),
        sum(&|row| row.ours.nr_tables),
        sum(&|row| row.linux.nr_tables),
        sum(&|row| row.four_kib.nr_tables),
        outside(|row| &row.ours),
        outside(|row| &row.linux),
    )
}

/// The geometric mean of ratios, the lowest and the highest.
fn spread(ratios: impl Iterator<Item = f64>) -> String {
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let (Some(lowest), Some(highest)) = (ratios.first(), ratios.last()) else {
        return "none".into();
    };
    let logarithms: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    // CAST: a handful.
    let mean = (logarithms / ratios.len() as f64).exp();
    format!("{mean:.2} (geometric mean; {lowest:.2} to {highest:.2})")
}

impl Row {
    /// How many maps rkexec makes while Linux makes one.
    fn ratio(&self) -> f64 {
        self.linux.time.as_secs_f64() / self.ours.time.as_secs_f64()
    }

    /// The same for what both do.
    fn fill_ratio(&self) -> f64 {
        self.linux.time.as_secs_f64() / self.fill_time.as_secs_f64()
    }
}

/// Microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A number of bytes to three digits: `1.87G`.
fn bytes(bytes: u64) -> String {
    let unit = [('T', 40), ('G', 30), ('M', 20), ('K', 10)]
        .into_iter()
        .find(|(_, bits)| bytes >> bits > 0);
    let Some((letter, bits)) = unit else {
        return bytes.to_string();
    };
    // CAST: three digits of it are shown.
    let number = bytes as f64 / (1_u64 << bits) as f64;
    let decimals = match number {
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (2048, "2.00K"),
            (100 << 20, "100M"),
            (2_007_000_000, "1.87G"),
            (3 << 43, "24.0T"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }
}
