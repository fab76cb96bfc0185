//! Parsers of settings. Each gives the value or says what it expected; it never repeats the value, which may be secret.

use std::{num::NonZeroU16, path::PathBuf, str::FromStr, time::Duration};

use dafei_kernel::time::Instant;

use super::Secret;

/// What a parser gives: the value, or the expectation that was not met ("a whole number from 1 to 200").
pub type Parsed<T> = Result<T, String>;

/// Any text.
///
/// # Errors
/// None; the signature is that of a parser.
pub fn text(value: &str) -> Parsed<String> {
    Ok(value.to_owned())
}

/// Any text, kept secret.
///
/// # Errors
/// None; the signature is that of a parser.
pub fn secret(value: &str) -> Parsed<Secret> {
    Ok(Secret::new(value))
}

/// A path. That it exists is for its reader to see: files may be mounted later than the process starts.
///
/// # Errors
/// None; the signature is that of a parser.
pub fn path(value: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(value))
}

/// `true` or `false`.
///
/// # Errors
/// Any other text.
pub fn flag(value: &str) -> Parsed<bool> {
    value.parse().map_err(|_| "`true` or `false`".to_owned())
}

/// A whole number from `low` to `high`, both included.
pub fn whole<T>(low: T, high: T) -> impl Fn(&str) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    move |value| {
        let number = value.parse::<T>().ok().filter(|number| *number >= low && *number <= high);
        number.ok_or_else(|| format!("a whole number from {low} to {high}"))
    }
}

/// A share from 0 to 1, both included.
///
/// # Errors
/// Anything else, also NaN.
pub fn share(value: &str) -> Parsed<f64> {
    let number = value.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// A duration in whole seconds from `low` to `high`, both included.
pub fn seconds(low: u64, high: u64) -> impl Fn(&str) -> Parsed<Duration> {
    move |value| {
        let number = whole(low, high)(value).map_err(|expected| format!("{expected} seconds"))?;
        Ok(Duration::from_secs(number))
    }
}

/// An instant in RFC 3339, cut to microseconds.
///
/// # Errors
/// Any text that is not such an instant.
pub fn instant(value: &str) -> Parsed<Instant> {
    let expected = || "an instant in RFC 3339, like `2026-02-14T09:00:00+08:00`".to_owned();
    let parsed = value.parse::<jiff::Timestamp>().map_err(|_| expected())?;
    Instant::from_microsecond(parsed.as_microsecond()).map_err(|_| expected())
}

/// `host:port`, where host is a name, an IPv4 address or an IPv6 address in brackets.
///
/// # Errors
/// Anything else. Port 0 passes: it means any free port.
pub fn host_port(value: &str) -> Parsed<String> {
    let (host, port) = value.rsplit_once(':').unwrap_or_default();
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.is_empty() && !host.contains(['/', ':', '[', ']', ' ', '@']);
    if (plain || bracketed) && port.parse::<u16>().is_ok() {
        Ok(value.to_owned())
    } else {
        Err("`host:port`".to_owned())
    }
}

/// A URL of one of the schemes, with a host; the port, when given, is a number.
pub fn url(schemes: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> {
    move |value| {
        if is_url(value, schemes) {
            Ok(value.to_owned())
        } else {
            let names: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://…`")).collect();
            Err(format!("a URL {}", names.join(" or ")))
        }
    }
}

/// One or more comma-separated URLs of the schemes.
pub fn urls(schemes: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> {
    move |value| {
        let one = url(schemes);
        value.split(',').try_for_each(|part| one(part.trim()).map(drop))?;
        Ok(value.to_owned())
    }
}

fn is_url(value: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    schemes.contains(&scheme)
        && !host.is_empty()
        && !value.contains(char::is_whitespace)
        && port.is_none_or(|port| port.parse::<NonZeroU16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_its_scheme_a_host_and_a_numeric_port() {
        let http = url(&["http"]);
        assert!(http("http://collector:4317").is_ok());
        assert!(http("http://[::1]:4317/x").is_ok());
        assert!(http("http://[::1]").is_ok());
        for wrong in ["collector:4317", "https://collector", "http://", "http://a:b", "http://a:0", "http://a b"] {
            assert!(http(wrong).is_err(), "{wrong}");
        }
        assert!(url(&["postgres"])("postgres://u:p@h:5432/db").is_ok());
        assert!(urls(&["nats"])("nats://a:4222, nats://b:4222").is_ok());
        assert!(urls(&["nats"])("nats://a:4222,b").is_err());
    }

    #[test]
    fn a_listen_address_is_a_host_and_a_port() {
        for right in ["127.0.0.1:0", "localhost:50051", "[::1]:50051"] {
            assert!(host_port(right).is_ok(), "{right}");
        }
        for wrong in ["", ":50051", "localhost", "localhost:port", "http://localhost:1", "::1:50051"] {
            assert!(host_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_cut_to_microseconds() {
        let parsed = instant("2026-02-14T09:00:00.123456789+08:00").unwrap();
        assert_eq!(parsed.as_nanosecond() % 1_000, 0);
        assert!(instant("2026-02-14").is_err());
    }
}
