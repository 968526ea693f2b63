//! Compiles the interface.

fn main() -> Result<(), farcall_rpcgen::Error> {
    farcall_rpcgen::compile("proto/bench.x")
}
