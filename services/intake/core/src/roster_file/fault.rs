//! What the roster's builder refuses, as the cell of the file that is at fault.

use dafei_kernel::{
    owner::PostError,
    roster::{RosterError, RowError, RowFault},
};

use super::CellError;

pub(super) fn cell(error: &RowError) -> CellError {
    let (column, reason, zh) = match &error.fault {
        RowFault::RegionTwice(_) => ("code", "DUPLICATE", "代码重复"),
        RowFault::Region(RosterError::UnknownParent { .. }) => ("parent", "UNKNOWN_PARENT", "没有这个上级区划"),
        RowFault::Region(RosterError::NoParent(_)) => ("parent", "REQUIRED", "必须填写上级区划"),
        RowFault::Region(RosterError::WrongLevel { .. }) => ("parent", "WRONG_LEVEL", "上级区划的级别不对"),
        RowFault::WorkArea { .. } => ("work_area", "UNKNOWN_WORK_AREA", "该乡镇没有这个工作区"),
        RowFault::UnknownRegion(_) => ("code", "UNKNOWN_REGION", "没有这个行政区划"),
        RowFault::Post(PostError::Level { .. }) => ("level", "WRONG_LEVEL", "行政级别与岗位不符"),
        RowFault::Post(PostError::AgencyMissing(_)) => ("agency", "REQUIRED", "该岗位必须注明部门"),
        RowFault::Post(PostError::AgencyNotAllowed(_)) => ("agency", "NOT_ALLOWED", "该岗位不填部门"),
        RowFault::NoTime => ("valid_until", "INVALID", "截止时间应晚于起始时间"),
        RowFault::EnterpriseTwice(_) => ("credit_code", "DUPLICATE", "统一社会信用代码重复"),
        RowFault::EnterprisePlace(_) => ("level", "WRONG_LEVEL", "企业应位于村居或乡镇"),
    };
    CellError::new(error.row, column, reason, error.fault.to_string(), zh)
}
