//! How many calls get through and how many datagrams it takes, by how much the network loses. The
//! figures are exact, because all follows from the seed: one that changes is a change of behaviour,
//! and of docs/delivery.md.

mod sim;

use std::time::Duration;

use farcall::proto::retry::RetryPolicy;

use sim::Pair;
use sim::netem::Conditions;
use sim::server::Adder;

const CALLS: u32 = 1000;

/// What 1000 calls come to, one at a time, 2 ms away, within 5 s each.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    lost_per_mille: u32,
    answered: u32,
    datagrams: u64,
    millis: u128,
}

impl Row {
    /// The row of the table in docs/delivery.md.
    fn line(&self) -> String {
        let Self { lost_per_mille, answered, datagrams, millis } = self;
        let tenths = (millis + 50) / 100;
        let (percent, seconds, tenth) = (lost_per_mille / 10, tenths / 10, tenths % 10);
        format!("| {percent} % | {answered} | {datagrams} | {seconds}.{tenth} s |")
    }
}

fn run(lost_per_mille: u32) -> Row {
    let conditions =
        Conditions { lost: lost_per_mille, ..Conditions::perfect(Duration::from_millis(1)) };
    let mut pair = Pair::new(1, conditions, RetryPolicy::default(), Adder::default());
    let mut answered = 0;
    for word in 0..CALLS {
        let xid = pair.call(word, Duration::from_secs(5));
        answered += u32::from(pair.finish(xid).is_ok());
    }
    Row { lost_per_mille, answered, datagrams: pair.sent, millis: pair.elapsed().as_millis() }
}

#[test]
fn calls_done_and_datagrams_sent_by_loss() {
    let row = |lost_per_mille, answered, datagrams, millis| Row {
        lost_per_mille,
        answered,
        datagrams,
        millis,
    };
    let table = [
        row(0, 1000, 1000, 2000),
        row(10, 1000, 1014, 2185),
        row(50, 1000, 1090, 3330),
        row(200, 999, 1582, 48_685),
        row(500, 923, 3802, 639_914),
        row(1000, 0, 3000, 5_000_000),
    ];
    assert_eq!(table.each_ref().map(|row| run(row.lost_per_mille)), table);
    let documented = include_str!("../../docs/delivery.md").lines();
    let documented: Vec<&str> = documented.filter(|line| line.contains(" % | ")).collect();
    assert_eq!(documented, table.each_ref().map(Row::line));
}
