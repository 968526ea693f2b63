//! How the words of a command line are read.

use std::time::Duration;

use farcall::{Netid, Program, Version};

use crate::service::{PROGRAMS, Service};

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().map_err(|_| "a number of seconds is wanted")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds is wanted")
}

pub(crate) fn service(text: &str) -> Result<Service, String> {
    Service::parse(text, &PROGRAMS)
}

pub(crate) fn exact(text: &str) -> Result<(Program, Version), String> {
    let Service { program, version, .. } = service(text)?;
    let version = version.ok_or("a version is wanted: PROGRAM/VERSION")?;
    Ok((program, version))
}

pub(crate) fn program(text: &str) -> Result<Service, String> {
    service(text).and_then(|service| match service.version {
        None => Ok(service),
        Some(_) => Err("the version is a word of its own".to_owned()),
    })
}

pub(crate) fn version(text: &str) -> Result<Version, &'static str> {
    text.parse().map(Version).map_err(|_| "a version is a number")
}

pub(crate) fn netid(text: &str) -> Result<Netid, &'static str> {
    Netid::from_name(text).ok_or("a transport is udp, tcp, udp6, tcp6 or local")
}
