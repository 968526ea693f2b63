//! How many calls get through and how many datagrams it takes, by how much the network loses. The
//! figures are those in docs/delivery.md, exactly, because all follows from the seed: one that
//! changes is a change of behaviour. With `--nocapture` the table is printed.

mod sim;

use std::time::Duration;

use farcall::proto::retry::RetryPolicy;

use sim::Pair;
use sim::netem::Conditions;
use sim::server::Adder;

const CALLS: u32 = 1000;

/// What 1000 calls come to, one at a time, 2 ms away, within 5 s each: a row of the table in
/// docs/delivery.md.
fn row(lost_percent: u32) -> String {
    let delay = Duration::from_millis(1);
    let conditions = Conditions { lost: lost_percent * 10, ..Conditions::perfect(delay) };
    let mut pair = Pair::new(1, conditions, RetryPolicy::default(), Adder::default());
    let mut answered = 0;
    for word in 0..CALLS {
        let xid = pair.call(word, Duration::from_secs(5));
        answered += u32::from(pair.finish(xid).is_ok());
    }
    let (sent, seconds) = (pair.sent, pair.elapsed().as_secs_f64());
    format!("| {lost_percent} % | {answered} | {sent} | {seconds:.1} s |")
}

#[test]
fn calls_done_and_datagrams_sent_by_loss() {
    let table = [0, 1, 5, 20, 50, 100].map(row);
    println!("{}", table.join("\n"));
    let documented = include_str!("../../docs/delivery.md").lines();
    let documented: Vec<&str> = documented.filter(|line| line.contains(" % | ")).collect();
    assert_eq!(documented, table);
}
