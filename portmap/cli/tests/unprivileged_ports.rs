//! Where the system lets every user have ports below 1024, as in most containers, none of them tells
//! who has it.
//!
//! In a namespace, as `compat`.

mod support;

use std::fs;

use support::port111::{OnPort111, inside};
use support::{Via, call, exchange, rpcb, success, too_weak, words};

#[test]
fn t22_a_port_that_any_user_can_have_is_no_superuser_s() {
    if !inside("t22_a_port_that_any_user_can_have_is_no_superuser_s", &[]) {
        return;
    }
    let start = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let mine = ([127, 0, 0, 1], 700).into();
    let set = |version| {
        let args = rpcb(0x2000_0001, version, "udp", "0.0.0.0.8.1");
        exchange(Via::UdpFrom(mine, ([127, 0, 0, 1], 111).into()), &call(3, 1, &args))
    };
    fs::write(start, "701").expect("the namespace is ours");
    let portmapd = OnPort111::portmapd(&[]);
    assert_eq!(set(1), success(&words(&[1])));
    drop(portmapd);

    fs::write(start, "700").expect("the namespace is ours");
    let _portmapd = OnPort111::portmapd(&[]);
    assert_eq!(set(2), too_weak());
}
