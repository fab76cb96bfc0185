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
