use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// A Unix stream socket.
    Unix,
}

/// What the command line says: a role that is passed over, a transport, an address, and then
/// `key=value` as often as you like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The transport.
    pub transport: Transport,
    /// The address and port, or the path.
    pub address: String,
    values: HashMap<String, String>,
}

impl Settings {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is missing or not understood.
    pub fn from_args() -> Result<Self, String> {
        let usage = || "usage: ROLE tcp|udp|unix ADDRESS [KEY=VALUE...]".to_owned();
        let mut args = std::env::args().skip(2);
        let transport = match args.next().ok_or_else(usage)?.as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "unix" => Transport::Unix,
            _ => return Err(usage()),
        };
        let address = args.next().ok_or_else(usage)?;
        let values = args.map(|arg| match arg.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(usage()),
        });
        Ok(Self { transport, address, values: values.collect::<Result<_, _>>()? })
    }

    /// The value of a key, or else `default`.
    ///
    /// # Errors
    /// It is not of that type.
    pub fn get<T: FromStr>(&self, key: &str, default: T) -> Result<T, String> {
        match self.values.get(key) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| format!("{key}={value} is not understood")),
        }
    }

    /// A value in seconds.
    ///
    /// # Errors
    /// It is not a number of seconds.
    pub fn seconds(&self, key: &str, default: f64) -> Result<Duration, String> {
        let seconds = self.get(key, default)?;
        Duration::try_from_secs_f64(seconds).map_err(|error| format!("{key}: {error}"))
    }

    /// The address as a client names it.
    #[must_use]
    pub fn target(&self) -> String {
        let scheme = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
        };
        format!("{scheme}://{}", self.address)
    }
}
