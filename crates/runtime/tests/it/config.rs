//! Settings: every problem is named at once, and no secret is shown.

use dafei_runtime::config::{Common, Deployment, JwksLocation, MapSource, Mode, NatsAuth, Problem, Service, reference};

use crate::support::settings;

fn problems(source: &MapSource) -> Vec<Problem> {
    Common::read(source, Service::Intake).unwrap_err().problems
}

fn keys(source: &MapSource) -> Vec<String> {
    problems(source).iter().map(|problem| problem.key().to_owned()).collect()
}

#[test]
fn the_least_settings_are_enough_and_the_rest_has_defaults() {
    let common = Common::read(&settings(), Service::Intake).unwrap();
    assert_eq!((common.mode, common.deployment), (Mode::System, Deployment::Test));
    assert_eq!(common.database.pool, 10);
    assert_eq!(common.identity.jwks, JwksLocation::File("jwks.json".into()));
    assert!(common.otlp.is_none() && common.tls.is_none());
    assert!(matches!(common.nats.auth, NatsAuth::None));
    assert_eq!(common.nats.replicas, 1);
}

#[test]
fn the_streams_may_have_replicas_on_a_cluster() {
    let on_three = settings().with("DAFEI_NATS_REPLICAS", "3");
    assert_eq!(Common::read(&on_three, Service::Intake).unwrap().nats.replicas, 3);
    for wrong in ["0", "6", "three"] {
        assert_eq!(keys(&settings().with("DAFEI_NATS_REPLICAS", wrong)), ["DAFEI_NATS_REPLICAS"]);
    }
}

#[test]
fn all_problems_are_named_at_once() {
    let source = MapSource::from([
        ("DAFEI_INTAKE_LISTEN", "nowhere"),
        ("DAFEI_NATS_URL", "http://localhost"),
        ("DAFEI_DATABASE_POOL", "0"),
        ("DAFEI_LOG_FORMAT", "xml"),
        ("DAFEI_OTLP_ENDPOINT", "collector"),
        ("DAFEI_NATS_USER", "intake"),
        ("DAFEI_TLS_CERT", "cert.pem"),
        ("DAFEI_JWT_AUDIENCE", " "),
        ("DAFEI_LISTEN", "127.0.0.1:1"),
        ("DAFEI_INTAK_LISTEN", "127.0.0.1:1"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        keys(&source),
        [
            "DAFEI_LOG_FORMAT",
            "DAFEI_INTAKE_LISTEN",
            "DAFEI_INTAKE_DATABASE_URL",
            "DAFEI_DATABASE_POOL",
            "DAFEI_NATS_URL",
            "DAFEI_NATS_USER",
            "DAFEI_JWKS",
            "DAFEI_JWT_ISSUER",
            "DAFEI_JWT_AUDIENCE",
            "DAFEI_OTLP_ENDPOINT",
            "DAFEI_TLS_CERT",
            "DAFEI_INTAK_LISTEN",
            "DAFEI_LISTEN",
        ]
    );
}

#[test]
fn a_malformed_secret_is_named_but_not_shown() {
    let source = settings().with("DAFEI_INTAKE_DATABASE_URL", "mysql://intake:hunter2@localhost/intake");
    let error = Common::read(&source, Service::Intake).unwrap_err().to_string();
    assert!(error.contains("DAFEI_INTAKE_DATABASE_URL"));
    assert!(!error.contains("hunter2"));
    let common = Common::read(&settings(), Service::Intake).unwrap();
    assert!(!format!("{common:?}").contains("pw-8d1f"));
    assert!(common.database.url.expose().contains("pw-8d1f"));
}

#[test]
fn one_environment_may_hold_the_settings_of_all_services() {
    let source = settings()
        .with("DAFEI_SLA_MONITOR_LISTEN", "127.0.0.1:0")
        .with("DAFEI_DISPATCH_DATABASE_URL", "postgres://localhost/dispatch")
        .with("DAFEI_REPORTING_ADDR", "http://localhost:50054");
    assert!(Common::read(&source, Service::Intake).is_ok());
}

#[test]
fn exercise_mode_is_refused_in_production_which_is_the_default() {
    let source = settings().with("DAFEI_MODE", "exercise");
    assert_eq!(Common::read(&source, Service::Intake).unwrap().mode, Mode::Exercise);
    let silent = source.clone().without("DAFEI_ENVIRONMENT");
    assert!(matches!(&problems(&silent)[..], [Problem::Conflict { key, .. }] if key == "DAFEI_MODE"));
}

#[test]
fn a_client_authority_without_a_certificate_is_a_problem() {
    assert_eq!(keys(&settings().with("DAFEI_TLS_CLIENT_CA", "ca.pem")), ["DAFEI_TLS_CLIENT_CA"]);
    let whole = settings()
        .with("DAFEI_TLS_CLIENT_CA", "ca.pem")
        .with("DAFEI_TLS_CERT", "cert.pem")
        .with("DAFEI_TLS_KEY", "key.pem");
    assert!(Common::read(&whole, Service::Intake).unwrap().tls.is_some());
}

#[test]
fn credentials_and_a_password_together_are_a_problem() {
    let source = settings().with("DAFEI_NATS_CREDS", "nats.creds");
    let common = Common::read(&source, Service::Intake).unwrap();
    assert!(matches!(common.nats.auth, NatsAuth::Creds(_)));
    let both = source.with("DAFEI_NATS_USER", "u").with("DAFEI_NATS_PASSWORD", "p");
    assert_eq!(keys(&both), ["DAFEI_NATS_CREDS"]);
}

#[test]
fn the_reference_for_the_documentation_shows_defaults_and_needs() {
    let table = reference();
    assert!(table.contains("| `DAFEI_<SERVICE>_LISTEN` | required |"));
    assert!(table.contains("| `DAFEI_LOG` | `info` |"));
}
