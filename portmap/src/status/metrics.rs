//! The counters as Prometheus reads them: its text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::view::{PROCEDURES, View};

/// What is counted of a metric: labels and value.
type Sample = (String, f64);

/// All metrics.
pub(super) fn text(view: &View) -> String {
    let mut out = String::new();
    let mut add = |name: &str, kind: &str, help: &str, samples: Vec<Sample>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    add(
        "portmapd_up",
        "gauge",
        "Whether it serves and can keep changes.",
        vec![bare(u8::from(view.trouble().is_none()))],
    );
    add(
        "portmapd_build_info",
        "gauge",
        "Its version.",
        vec![(label("version", env!("CARGO_PKG_VERSION")), 1.0)],
    );
    add(
        "portmapd_start_time_seconds",
        "gauge",
        "When it started, since 1970.",
        vec![bare(view.started_seconds())],
    );
    add("portmapd_registrations", "gauge", "Registrations by transport.", registrations(view));
    add("portmapd_calls_total", "counter", "Calls by procedure.", calls(view));
    add("portmapd_changes_total", "counter", "Changes that were accepted.", changes(view));
    add(
        "portmapd_lookups_total",
        "counter",
        "Lookups by whether something was found.",
        lookups(view),
    );
    add("portmapd_refused_total", "counter", "What was refused, by reason.", refusals(view));
    add(
        "portmapd_ended_total",
        "counter",
        "Registrations removed because nobody had the address.",
        vec![bare(count(view.activity.ended_count()))],
    );
    add("portmapd_server_events_total", "counter", "What happened on its sockets.", server(view));
    out
}

fn registrations(view: &View) -> Vec<Sample> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &view.rows {
        // Anybody may think up names of transports.
        let known = ["udp", "tcp", "udp6", "tcp6", "local"];
        let netid = known.into_iter().find(|name| *name == row.entry.netid).unwrap_or("other");
        *counts.entry(netid).or_default() += 1;
    }
    counts.into_iter().map(|(netid, n)| (label("netid", netid), count(n))).collect()
}

fn calls(view: &View) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (version, stats) in view.versions() {
        for (name, n) in PROCEDURES[usize::from(version) - 2].iter().zip(stats.procedures) {
            let labels = format!("{{version=\"{version}\",procedure=\"{name}\"}}");
            samples.push((labels, f64::from(n)));
        }
    }
    samples
}

fn changes(view: &View) -> Vec<Sample> {
    let (mut set, mut unset) = (0.0, 0.0);
    for (_, stats) in view.versions() {
        set += f64::from(stats.set);
        unset += f64::from(stats.unset);
    }
    vec![(label("kind", "set"), set), (label("kind", "unset"), unset)]
}

fn lookups(view: &View) -> Vec<Sample> {
    let (mut found, mut missed) = (0.0, 0.0);
    for (_, stats) in view.versions() {
        found += f64::from(stats.all_lookups.success);
        missed += f64::from(stats.all_lookups.failure);
    }
    vec![(label("found", "true"), found), (label("found", "false"), missed)]
}

fn refusals(view: &View) -> Vec<Sample> {
    let all = view.activity.refusals();
    all.map(|(reason, n)| (label("reason", reason.name()), count(n))).collect()
}

fn server(view: &View) -> Vec<Sample> {
    view.server.counters().map(|(name, n)| (label("event", name), count(n))).collect()
}

/// None of our values needs to be escaped.
fn label(name: &str, value: impl Display) -> String {
    format!("{{{name}=\"{value}\"}}")
}

fn bare(value: impl Into<f64>) -> Sample {
    (String::new(), value.into())
}

/// Exact up to 2^53, as all values are that Prometheus has.
#[allow(clippy::cast_precision_loss)]
fn count(n: u64) -> f64 {
    n as f64
}
