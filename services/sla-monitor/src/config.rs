//! The settings that only the SLA monitor has.

use std::path::PathBuf;

use dafei_runtime::config::{Common, ConfigError, Reader, Service, Source, Tls, parse};

/// Settings of the SLA monitor.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every service has.
    pub common: Common,
    /// Whom the reconciler asks; it does not run without.
    pub peers: Option<PeerSettings>,
}

/// The services that the reconciler asks for their open steps.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// Address of intake.
    pub intake: String,
    /// Address of dispatch.
    pub dispatch: String,
    /// File of the token that is shown to them, read for every run.
    pub token_file: PathBuf,
    /// The authority that signs their certificates, for addresses with https.
    pub ca: Option<PathBuf>,
    /// The certificate that is shown to those that ask for one.
    pub identity: Option<Tls>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// All settings that are missing, malformed or unknown, a line each.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(source, Service::SlaMonitor);
        let common = reader.common();
        let url = || parse::url(&["http", "https"]);
        let intake = reader.peer(Service::Intake, "ADDR", url());
        let dispatch = reader.peer(Service::Dispatch, "ADDR", url());
        let token = reader.own_optional("TOKEN_FILE", parse::path);
        let ca = reader.optional("DAFEI_PEER_CA", parse::path);
        let given = [intake.peek(), dispatch.peek()].into_iter().flatten().flatten().collect::<Vec<_>>();
        if given.iter().any(|address| address.starts_with("https")) && matches!(ca.peek(), Some(None)) {
            reader.conflict("DAFEI_PEER_CA", "is needed for an address with https");
        }
        let whole = given.len() == 2;
        if matches!(token.peek(), Some(Some(_))) && !whole {
            let token = Service::SlaMonitor.key("TOKEN_FILE");
            reader.conflict(token, "needs DAFEI_INTAKE_ADDR and DAFEI_DISPATCH_ADDR");
        }
        let checked = reader.finish()?;
        let common = common.get(&checked);
        let (intake, dispatch, token) = (intake.get(&checked), dispatch.get(&checked), token.get(&checked));
        let (ca, identity) = (ca.get(&checked), common.tls.clone());
        // Addresses alone may stand in an environment that all services share.
        let peers = match (intake, dispatch, token) {
            (Some(intake), Some(dispatch), Some(token_file)) => {
                Some(PeerSettings { intake, dispatch, token_file, ca, identity })
            }
            _ => None,
        };
        Ok(Self { common, peers })
    }
}

#[cfg(test)]
mod tests {
    use dafei_runtime::config::{ConfigError, MapSource};

    use super::Settings;

    fn settings() -> MapSource {
        MapSource::from([
            ("DAFEI_SLA_MONITOR_LISTEN", "127.0.0.1:0"),
            ("DAFEI_SLA_MONITOR_DATABASE_URL", "postgres://localhost/sla"),
            ("DAFEI_NATS_URL", "nats://localhost:4222"),
            ("DAFEI_JWKS", "jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "dafei"),
        ])
    }

    fn at_fault(read: Result<Settings, ConfigError>) -> Vec<String> {
        read.expect_err("refused").problems.iter().map(|problem| problem.key().to_owned()).collect()
    }

    #[test]
    fn the_reconciler_is_told_whom_to_ask_or_does_not_run() {
        assert!(Settings::read(&settings()).expect("enough").peers.is_none());
        let shared = settings()
            .with("DAFEI_INTAKE_ADDR", "http://intake:50051")
            .with("DAFEI_DISPATCH_ADDR", "http://dispatch:50051");
        assert!(Settings::read(&shared).expect("as clients have them").peers.is_none());
        let whole = shared.clone().with("DAFEI_SLA_MONITOR_TOKEN_FILE", "/run/token");
        let peers = Settings::read(&whole).expect("whole").peers.expect("whom to ask");
        assert_eq!((peers.intake.as_str(), peers.dispatch.as_str()), ("http://intake:50051", "http://dispatch:50051"));
        let half = settings().with("DAFEI_SLA_MONITOR_TOKEN_FILE", "/run/token");
        assert_eq!(at_fault(Settings::read(&half)), ["DAFEI_SLA_MONITOR_TOKEN_FILE"]);
        let open = whole.with("DAFEI_INTAKE_ADDR", "https://intake:50051");
        assert_eq!(
            at_fault(Settings::read(&open)),
            ["DAFEI_PEER_CA"],
            "nobody says whose certificate is to be believed"
        );
        assert!(Settings::read(&open.with("DAFEI_PEER_CA", "/run/ca.pem")).is_ok());
    }
}
