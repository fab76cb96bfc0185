//! Sets of gRPC paths: which methods are public, which leave no trace. One type, so that both lists match in the same way.

use std::{collections::HashSet, sync::Arc};

/// Services that every server offers and that are open to everyone: health and reflection.
const ALWAYS_PUBLIC: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// A set of gRPC paths. An entry that ends with `/` means a whole service (`/package.Service/`), any other exactly one
/// method (`/package.Service/Method`). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    services: Arc<HashSet<String>>,
    methods: Arc<HashSet<String>>,
}

impl Paths {
    /// A set from its entries.
    pub fn new<I>(entries: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let (services, methods) =
            entries.into_iter().map(Into::into).partition::<HashSet<String>, _>(|entry: &String| entry.ends_with('/'));
        Self { services: Arc::new(services), methods: Arc::new(methods) }
    }

    /// The empty set.
    pub fn none() -> Self {
        Self::default()
    }

    /// This set together with health and reflection, which no server closes.
    pub fn with_infrastructure(&self) -> Self {
        let mut services = HashSet::clone(&self.services);
        services.extend(ALWAYS_PUBLIC.map(str::to_owned));
        Self { services: Arc::new(services), methods: Arc::clone(&self.methods) }
    }

    /// Whether the path of a request is in the set.
    pub fn contains(&self, path: &str) -> bool {
        if self.methods.contains(path) {
            return true;
        }
        path.rfind('/').is_some_and(|slash| self.services.contains(&path[..=slash]))
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn a_service_entry_covers_its_methods_and_no_other_service() {
        let paths = Paths::new(["/a.Tips/", "/a.Reads/List"]);
        assert!(paths.contains("/a.Tips/Submit"));
        assert!(paths.contains("/a.Reads/List"));
        assert!(!paths.contains("/a.Reads/Write"));
        assert!(!paths.contains("/a.TipsAdmin/Submit"));
        assert!(!paths.contains("/a.Tips/Submit/More"));
        assert!(!paths.contains("a.Tips"));
    }

    #[test]
    fn health_and_reflection_are_always_open() {
        let paths = Paths::none().with_infrastructure();
        assert!(paths.contains("/grpc.health.v1.Health/Check"));
        assert!(paths.contains("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
        assert!(!paths.contains("/dafei.intake.v1.IntakeService/Report"));
    }
}
