//! The daemon's options in a file, by the names that they have on the command line.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, fs, io};

use serde::{Deserialize, Deserializer, de};

use crate::daemon::Options;
use crate::rpcbind;
use crate::rules::{Named, Rule, RuleError, Source};

/// The file's contents (TOML). What is not there stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    listen: Option<Vec<IpAddr>>,
    port: Option<u16>,
    socket: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    warm_start: Option<bool>,
    user: Option<String>,
    sandbox: Option<bool>,
    status: Option<SocketAddr>,
    prune: Option<bool>,
    bind_to_peer: Option<bool>,
    remote_calls: Option<bool>,
    max_per_uid: Option<usize>,
    insecure: Option<bool>,
    any_loopback_port: Option<bool>,
    any_registration: Option<bool>,
    large_datagrams: Option<bool>,
    rule: Option<Vec<RuleTable>>,
}

/// A `[[rule]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    #[serde(default, deserialize_with = "parse_all")]
    from: Option<Vec<Source>>,
    #[serde(default, deserialize_with = "parse_all")]
    procedures: Option<Vec<Named>>,
    allow: bool,
}

impl From<RuleTable> for Rule {
    fn from(RuleTable { from, procedures, allow }: RuleTable) -> Self {
        Self { from, except: Vec::new(), procedures, allow }
    }
}

/// A list of none would be a rule that never fits.
fn parse_all<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = RuleError>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.is_empty() {
        return Err(de::Error::custom("expected one at least; without this key, all are meant"));
    }
    let parsed: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map(Some).map_err(de::Error::custom)
}

/// Why a file is none.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// It is not as it should be.
    Parse(PathBuf, Box<toml::de::Error>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Parse(path, error) => {
                write!(f, "{}: {}", path.display(), error.to_string().trim_end())
            }
        }
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Read(_, error) => Some(error),
            Self::Parse(_, error) => Some(error.as_ref()),
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or has a key that is unknown or a value that does not fit.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|error| ConfigError::Read(path.to_owned(), error))?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse(path.to_owned(), Box::new(error)))
    }

    /// Changes the options to what is there.
    pub fn apply(self, options: &mut Options) {
        fn set<T>(option: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *option = value;
            }
        }
        set(&mut options.listen, self.listen);
        set(&mut options.port, self.port);
        set(&mut options.socket, self.socket.map(Some));
        set(&mut options.state_dir, self.state_dir.map(Some));
        let warm_start = self.warm_start.map(|wanted| wanted.then(|| rpcbind::DIR.into()));
        set(&mut options.warm_start, warm_start);
        set(&mut options.user, self.user.map(Some));
        set(&mut options.sandbox, self.sandbox);
        set(&mut options.status, self.status.map(Some));
        set(&mut options.prune, self.prune);
        set(&mut options.bind_to_peer, self.bind_to_peer);
        set(&mut options.remote_calls, self.remote_calls);
        set(&mut options.quotas.per_owner, self.max_per_uid);
        set(&mut options.access.insecure, self.insecure);
        set(&mut options.access.loopback, self.any_loopback_port);
        set(&mut options.access.any_registration, self.any_registration);
        set(&mut options.access.large_datagrams, self.large_datagrams);
        let rules = self.rule.map(|rules| rules.into_iter().map(Rule::from).collect());
        set(&mut options.rules, rules);
    }
}
