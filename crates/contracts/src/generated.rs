//! Code generated from proto/; see `build.rs`.
#![allow(missing_docs, clippy::all, unreachable_pub)]

macro_rules! package {
    ($name:ident, $doc:literal, $($file:literal),+) => {
        #[doc = $doc]
        pub mod $name {
            #[doc = $doc]
            pub mod v1 {
                $(include!(concat!(env!("OUT_DIR"), "/", $file));)+
            }
        }
    };
}

package!(types, "Shared messages.", "dafei.types.v1.rs", "dafei.types.v1.serde.rs");
package!(
    events,
    "The events of the bus.",
    "dafei.events.v1.rs",
    "dafei.events.v1.serde.rs",
    "strict/dafei.events.v1.serde.rs"
);
package!(intake, "intake's API.", "dafei.intake.v1.rs");
package!(dispatch, "dispatch's API.", "dafei.dispatch.v1.rs");
package!(sla, "sla-monitor's API.", "dafei.sla.v1.rs");
package!(reporting, "reporting's API.", "dafei.reporting.v1.rs");
package!(ops, "Operations.", "dafei.ops.v1.rs");
