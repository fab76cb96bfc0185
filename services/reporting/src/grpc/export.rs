//! `ExportMonthlyTable`: the table as a file (clause F2).

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, TableFormat},
};
use dafei_kernel::{roster::RosterIndex, time::civil_date};
use dafei_runtime::status::Fault;
use dafei_shell::faults;

use super::{Asked, MonthlyTables, unit_name};
use crate::form::{self, Form, filed::filed_form};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const HTML: &str = "text/html; charset=utf-8";

/// How a table is printed.
#[derive(Clone, Copy)]
enum Format {
    Xlsx,
    Html,
}

fn format(code: i32) -> Result<Format, Fault> {
    match TableFormat::try_from(code) {
        Ok(TableFormat::Xlsx) => Ok(Format::Xlsx),
        Ok(TableFormat::Html) => Ok(Format::Html),
        Ok(TableFormat::Unspecified) => Err(faults::convert(convert::ConvertError::required("format"))),
        Err(_) => Err(Fault::field("format", "UNKNOWN_FORMAT", "is neither a workbook nor a page", "没有这种文件格式")),
    }
}

impl MonthlyTables {
    /// The file that a checked request asks for.
    pub(super) async fn export(
        &self,
        asked: &Asked,
        roster: &RosterIndex,
        request: &pb::ExportMonthlyTableRequest,
    ) -> Result<pb::ExportMonthlyTableResponse, Fault> {
        let format = format(request.format)?;
        let form = if request.version == 0 {
            let (table, notes) = self.computed(asked).await?;
            Form {
                unit_name: unit_name(&asked.unit, &asked.path, roster),
                month: asked.month,
                filled_on: civil_date(self.clock.now()),
                version: None,
                table,
                notes,
            }
        } else {
            filed_form(&self.pool, &asked.unit, asked.month, request.version).await?
        };
        let (content, content_type, ending) = match format {
            Format::Xlsx => (form::workbook(&form).map_err(Fault::internal)?, XLSX, "xlsx"),
            Format::Html => (form::page(&form).into_bytes(), HTML, "html"),
        };
        Ok(pb::ExportMonthlyTableResponse {
            content: content.into(),
            content_type: content_type.to_owned(),
            file_name: form::file_name(&form, ending),
        })
    }
}
