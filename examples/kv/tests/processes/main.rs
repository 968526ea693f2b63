//! The programs of this package, and those that C makes of the same `.x`, as processes.

mod bad_network;
mod by_hand;
mod c_programs;
mod demo;
mod exhausted;
mod interop_c;
mod process;
