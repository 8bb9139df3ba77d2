//! Where the server's own requests may go. A definition comes from a client, and the server may reach what the client
//! must not: so nothing is allowed that was not said.
//!
//! It refuses to look names up: an allowed host is trusted to be the one that is meant.
//!
//! Its one invariant: what is allowed has the scheme, host and port of a prefix, and a path at or below its path,
//! whatever is escaped in it.

use http::Uri;

/// Prefixes of URLs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed(Vec<Prefix>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Allowed {
    /// Reads prefixes, parted by commas; otherwise says what is wrong.
    pub fn parse(text: &str) -> Result<Allowed, String> {
        let prefixes = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        prefixes
            .map(|part| place(part).map_err(|problem| format!("{part:?} {problem}")))
            .collect::<Result<_, _>>()
            .map(Allowed)
    }

    /// Is nothing allowed?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// May a request go there? Otherwise says why not.
    pub(crate) fn check(&self, url: &str) -> Result<Uri, String> {
        let wanted = place(url).map_err(|problem| format!("the URL {url:?} {problem}"))?;
        let below = |path: &str| {
            let rest = wanted.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
        };
        let allows = |prefix: &&Prefix| {
            (&prefix.scheme, &prefix.host, prefix.port) == (&wanted.scheme, &wanted.host, wanted.port)
                && below(&prefix.path)
        };
        match self.0.iter().find(allows) {
            Some(_) => url.parse().map_err(|_| format!("the URL {url:?} is none")),
            None => {
                Err(format!("the server may not send requests to {url}; allow it with --http-worker-allow"))
            }
        }
    }
}

fn place(url: &str) -> Result<Prefix, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "is no URL")?;
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let usual = match &*scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err("does not begin with http:// or https://"),
    };
    let authority = uri.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err("has a user in it; give credentials in a header");
    }
    let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return Err("has no host");
    }
    let path = uri.path().to_owned();
    let plain = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    if plain.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("goes up in its path");
    }
    Ok(Prefix { scheme, host, port: authority.port_u16().unwrap_or(usual), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_allowed() {
        let allowed = Allowed::parse("https://pay.example/v1, http://127.0.0.1:9000").expect("prefixes");
        for url in [
            "https://pay.example/v1",
            "https://pay.example/v1/charges?x=1",
            "https://PAY.example:443/v1/a",
            "http://127.0.0.1:9000/anything",
        ] {
            assert!(allowed.check(url).is_ok(), "{url}");
        }
        for url in [
            "http://pay.example/v1",
            "https://pay.example/v10",
            "https://pay.example/",
            "https://pay.example/v1/../admin",
            "https://pay.example/v1/%2e%2E/admin",
            "https://pay.example/v1/..%2fadmin",
            "https://pay.example.evil/v1",
            "https://pay.example@evil/v1",
            "https://evil/v1?https://pay.example/v1",
            "http://127.0.0.1:9001/",
            "http://127.0.0.1/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:9000/",
            "/v1",
            "",
        ] {
            assert!(allowed.check(url).is_err(), "{url}");
        }
        assert!(Allowed::default().check("http://127.0.0.1:9000/").is_err());
        assert!(Allowed::parse("").expect("nothing").is_empty());
        assert!(Allowed::parse("pay.example").is_err());
    }
}
