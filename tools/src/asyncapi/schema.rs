//! JSON schemas of the payloads, from the descriptors: canonical proto JSON, with the protos' comments as descriptions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

use super::yaml::{Node, map};

const TIMESTAMP: &str = ".google.protobuf.Timestamp";

/// All messages and enumerations by full name with a leading dot, with their comments.
pub(super) struct Schemas {
    messages: BTreeMap<String, (DescriptorProto, Comments)>,
    enums: BTreeMap<String, (EnumDescriptorProto, String)>,
}

/// Comments of a message: its own, and those of its fields by index.
#[derive(Default)]
struct Comments {
    own: String,
    fields: BTreeMap<i32, String>,
}

impl Schemas {
    pub(super) fn load(descriptors: &[u8]) -> Result<Self> {
        let set = FileDescriptorSet::decode(descriptors).context("descriptors")?;
        let mut schemas = Self { messages: BTreeMap::new(), enums: BTreeMap::new() };
        for file in &set.file {
            schemas.add(file);
        }
        Ok(schemas)
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        let comments: BTreeMap<Vec<i32>, String> = file
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .filter_map(|at| at.leading_comments.as_ref().map(|text| (at.path.clone(), one_line(text))))
            .collect();
        let comment = |path: &[i32]| comments.get(path).cloned().unwrap_or_default();
        // Field 4 of a file is its messages, 5 its enumerations; field 2 of a message is its fields.
        for (at, message) in (0..).zip(&file.message_type) {
            let fields = (0..).zip(&message.field).map(|(field, _)| (field, comment(&[4, at, 2, field]))).collect();
            let own = Comments { own: comment(&[4, at]), fields };
            self.messages.insert(format!(".{}.{}", file.package(), message.name()), (message.clone(), own));
        }
        for (at, entry) in (0..).zip(&file.enum_type) {
            self.enums.insert(format!(".{}.{}", file.package(), entry.name()), (entry.clone(), comment(&[5, at])));
        }
    }

    /// First sentence and all of a message's comment.
    pub(super) fn comment(&self, full_name: &str) -> &str {
        self.messages.get(&format!(".{full_name}")).map_or("", |(_, comments)| comments.own.as_str())
    }

    /// The schemas of these messages and of all that they hold, by short name.
    pub(super) fn reachable<'a>(&self, roots: impl IntoIterator<Item = &'a str>) -> Node {
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = roots.into_iter().map(|name| format!(".{name}")).collect();
        while let Some(name) = open.pop() {
            if name == TIMESTAMP || !seen.insert(name.clone()) {
                continue;
            }
            if let Some((message, _)) = self.messages.get(&name) {
                open.extend(
                    message
                        .field
                        .iter()
                        .filter(|field| !field.type_name().is_empty())
                        .map(|field| field.type_name().to_owned()),
                );
            }
        }
        let schemas = seen.iter().filter_map(|name| {
            let schema = self.message(name).or_else(|| self.enumeration(name))?;
            Some((short(name).to_owned(), schema))
        });
        Node::Map(schemas.collect())
    }

    fn message(&self, name: &str) -> Option<Node> {
        let (message, comments) = self.messages.get(name)?;
        let mut properties = Vec::new();
        for (at, field) in (0..).zip(&message.field) {
            let mut schema = field_schema(field);
            let mut text = comments.fields.get(&at).cloned().unwrap_or_default();
            if let Some(oneof) =
                field.oneof_index.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
            {
                text = format!("{text} At most one of {:?}.", oneof.name());
            }
            schema.insert(0, ("description".to_owned(), text.trim().to_owned().into()));
            properties.push((field.json_name().to_owned(), Node::Map(schema)));
        }
        Some(map([
            ("type", "object".into()),
            ("description", comments.own.clone().into()),
            ("properties", Node::Map(properties)),
        ]))
    }

    fn enumeration(&self, name: &str) -> Option<Node> {
        let (entry, comment) = self.enums.get(name)?;
        let values = entry.value.iter().map(|value| Node::from(value.name())).collect();
        Some(map([("type", "string".into()), ("description", comment.clone().into()), ("enum", Node::List(values))]))
    }
}

fn field_schema(field: &FieldDescriptorProto) -> Vec<(String, Node)> {
    let single = single(field);
    if field.label() == Label::Repeated {
        vec![("type".to_owned(), "array".into()), ("items".to_owned(), Node::Map(single))]
    } else if single.iter().any(|(key, _)| key == "$ref") {
        // What stands beside a $ref is ignored, and here a description does.
        vec![("allOf".to_owned(), Node::List(vec![Node::Map(single)]))]
    } else {
        single
    }
}

/// The proto JSON mapping: 64-bit integers are strings, bytes are base64, instants RFC 3339.
fn single(field: &FieldDescriptorProto) -> Vec<(String, Node)> {
    let of = |kind: &str, format: &str| {
        let mut schema = vec![("type".to_owned(), Node::from(kind))];
        if !format.is_empty() {
            schema.push(("format".to_owned(), format.into()));
        }
        schema
    };
    match field.r#type() {
        Type::Message | Type::Enum | Type::Group if field.type_name() == TIMESTAMP => of("string", "date-time"),
        Type::Message | Type::Enum | Type::Group => {
            vec![("$ref".to_owned(), format!("#/components/schemas/{}", short(field.type_name())).into())]
        }
        Type::Bool => of("boolean", ""),
        Type::Double | Type::Float => of("number", ""),
        Type::Int32 | Type::Sint32 | Type::Sfixed32 | Type::Uint32 | Type::Fixed32 => of("integer", ""),
        Type::Int64 | Type::Sint64 | Type::Sfixed64 | Type::Uint64 | Type::Fixed64 => of("string", "int64"),
        Type::String => of("string", ""),
        Type::Bytes => of("string", "byte"),
    }
}

/// The name without its package; names are unique in the suite.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
