//! As much of HTTP/1.1 (RFC 9112) as a page needs that is only read: GET and HEAD, one request for
//! each connection. Pure: bytes in, bytes out.

use std::net::IpAddr;

/// The longest request that is read, in bytes.
pub(super) const MAX_REQUEST: usize = 8 << 10;

/// The most header fields.
const MAX_FIELDS: usize = 64;

/// Nothing of another origin, and nothing inline, so that text of others cannot become a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A request that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The path, without a query.
    pub(super) path: String,
    /// Only the header is wanted.
    pub(super) is_head: bool,
    /// The host that was asked, without a port.
    host: String,
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Request {
    /// `None` if there is more to come.
    ///
    /// # Errors
    /// What to answer instead.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Status> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Status::TooLarge);
            }
            Err(_) => return Err(Status::BadRequest),
        }
        let is_head = match request.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return Err(Status::MethodNotAllowed),
        };
        let target = request.path.unwrap_or_default();
        let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
        Ok(Some(Self { path, is_head, host: host(request.headers)? }))
    }

    /// Whether it asks for this host by address or as `localhost`. A page of another origin whose
    /// name was made to point here asks for that name.
    pub(super) fn is_for_loopback(&self) -> bool {
        let ip = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host.eq_ignore_ascii_case("localhost") || ip.parse::<IpAddr>().is_ok()
    }
}

/// Exactly one is to be there.
fn host(fields: &[httparse::Header<'_>]) -> Result<String, Status> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Status::BadRequest) };
    let host = std::str::from_utf8(host.value).map_err(|_| Status::BadRequest)?;
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    Ok(without_port.to_owned())
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: Status,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Response {
    /// With a body of this type.
    pub(super) fn new(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: Status::Ok, content_type, body: body.into() }
    }

    /// That says no more than its status.
    pub(super) fn of(status: Status) -> Self {
        let body = format!("{}\n", status.line());
        Self { status, ..Self::new("text/plain; charset=utf-8", body) }
    }

    /// As it is sent.
    pub(super) fn into_bytes(self, is_head: bool) -> Vec<u8> {
        let Self { status, content_type, body } = self;
        let allow = if status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
        let mut text = format!(
            "HTTP/1.1 {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}\
             Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            status.line(),
            body.len(),
        );
        if !is_head {
            text += &body;
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Request>, Status> {
        Request::parse(text.as_bytes())
    }

    #[test]
    fn requests_are_read_as_they_come() {
        let whole = "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:9111\r\n\r\n";
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Ok(None), "{len}");
        }
        let (path, host) = ("/metrics".to_owned(), "localhost".to_owned());
        assert_eq!(parse(whole), Ok(Some(Request { path, host, is_head: false })));
    }

    #[test]
    fn others_are_refused() {
        let table = [
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Status::MethodNotAllowed),
            ("GET / HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Status::BadRequest),
            ("GET / HTTP/3\r\n\r\n", Status::BadRequest),
            ("\0\0\0\0\0\0\0\0", Status::BadRequest),
        ];
        for (text, status) in table {
            assert_eq!(parse(text), Err(status), "{text:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(parse(&many), Err(Status::TooLarge));
        let long = format!("GET /{}", "a".repeat(MAX_REQUEST));
        assert_eq!(parse(&long), Err(Status::TooLarge));
    }

    #[test]
    fn names_that_others_may_own_are_not_this_host() {
        let table = [
            ("localhost", true),
            ("LOCALHOST:9111", true),
            ("127.0.0.1:9111", true),
            ("[::1]:9111", true),
            ("[::1]", true),
            ("evil.example:9111", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ];
        for (host, expected) in table {
            let request = parse(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let request = request.expect("sound").expect("whole");
            assert_eq!(request.is_for_loopback(), expected, "{host:?}");
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let response = Response::of(Status::MethodNotAllowed);
        let whole = String::from_utf8(response.clone().into_bytes(false)).expect("text");
        let head = String::from_utf8(response.into_bytes(true)).expect("text");
        assert_eq!(whole, format!("{head}405 Method Not Allowed\n"));
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
        assert!(head.contains("\r\nContent-Length: 23\r\nAllow: GET, HEAD\r\n"));
    }
}
