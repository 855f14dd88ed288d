//! All machines as points: what a map costs over the machine's RAM, in time,
//! in table pages, and in what is mapped that should not be.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::contest::Row;
use crate::table::micros;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A builder's colour and name.
type Series = (RGBColor, &'static str);

const OURS: Series = (RGBColor(0x2f, 0x6f, 0xb5), "rkexec");
const LINUX: Series = (RGBColor(0xd9, 0x8b, 0x1f), "Linux");
const FOUR_KIB: Series = (RGBColor(0x8a, 0x8f, 0x98), "4 KiB pages only");

const FONT: &str = "sans-serif";

/// The size of the picture and of a point, in px.
const SIZE: (u32, u32) = (1380, 440);
const POINT: i32 = 4;

/// A builder, and for each machine its RAM in GiB and what the builder made.
type Points = (Series, Vec<(f64, f64)>);

/// Writes the plot as SVG.
pub fn draw(rows: &[Row], path: &Path) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((1, 3));
    let points = |series, value: fn(&Row) -> Option<f64>| -> Points {
        let point = |row: &Row| Some((in_units(row.ram_bytes, GIB), value(row)?));
        (series, rows.iter().filter_map(point).collect())
    };

    let times = [
        points(FOUR_KIB, |row| row.four_kib.time.map(micros)),
        points(LINUX, |row| Some(micros(row.linux.time))),
        points(OURS, |row| Some(micros(row.ours.time))),
    ];
    let y = extent(&times, 1).log_scale();
    panel(
        &panels[0],
        "Time to build the map",
        "microseconds",
        y,
        &times,
    )?;

    let tables = [
        points(FOUR_KIB, |row| Some(in_units(row.four_kib.nr_tables, 1))),
        points(LINUX, |row| Some(in_units(row.linux.nr_tables, 1))),
        points(OURS, |row| Some(in_units(row.ours.nr_tables, 1))),
    ];
    let y = extent(&tables, 1).log_scale();
    panel(&panels[1], "Tables that hold it", "pages", y, &tables)?;

    let outside = [
        points(LINUX, |row| Some(in_units(row.linux.outside_bytes, MIB))),
        points(OURS, |row| Some(in_units(row.ours.outside_bytes, MIB))),
    ];
    let y = -0.4..extent(&outside, 1).end / 2.0 + 2.0;
    let title = "Mapped write-back, but no memory";
    panel(&panels[2], title, "MiB", y, &outside)?;

    area.present().with_context(|| path.display().to_string())
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn in_units(number: u64, unit: u64) -> f64 {
    // CAST: a place in a picture need not be exact.
    number as f64 / unit as f64
}

/// A diagram over the RAM, which has a logarithmic axis; `y` is the other.
fn panel<Y>(area: &Area<'_>, title: &str, unit: &str, y: Y, series: &[Points]) -> Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 17))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(62)
        .build_cartesian_2d(extent(series, 0).log_scale(), y)?;
    chart
        .configure_mesh()
        .x_desc("RAM, GiB")
        .y_desc(unit)
        .x_label_formatter(&|value| value.to_string())
        .y_label_formatter(&|value| value.to_string())
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .bold_line_style(BLACK.mix(0.15))
        .light_line_style(BLACK.mix(0.05))
        .draw()?;
    for ((color, name), points) in series {
        let dot = |point| Circle::new(point, POINT, color.mix(0.75).filled());
        chart
            .draw_series(points.iter().copied().map(dot))?
            .label(*name)
            .legend(|point| Circle::new(point, POINT, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

/// From half of the least to twice the largest, so that no point lies on the edge of a logarithmic
/// axis: axis 0 is the RAM, axis 1 what is shown over it.
fn extent(series: &[Points], axis: usize) -> Range<f64> {
    let points = series.iter().flat_map(|(_, points)| points);
    let values = points.map(|&(x, y)| [x, y][axis]);
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let largest = values.fold(0.0, f64::max);
    0.5 * least..2.0 * largest
}
