//! The settings of the villages' notices.

use dafei_intake_core::notices::Rules as NoticeRules;
use dafei_runtime::config::{Checked, Pending, Reader, parse};

/// The settings that were asked for.
pub(super) struct Asked {
    distance: Pending<u32>,
    tolerance: Pending<u32>,
    required: Pending<u32>,
    reach: Pending<u32>,
}

impl Asked {
    pub(super) fn ask(reader: &mut Reader<'_>) -> Self {
        let distance = reader.value("DAFEI_NOTICE_DISTANCE_M", parse::whole(1, 10_000));
        let tolerance = reader.value("DAFEI_NOTICE_TOLERANCE_M", parse::whole(0, 9_999));
        if let (Some(distance), Some(tolerance)) = (distance.peek(), tolerance.peek())
            && tolerance >= distance
        {
            reader.conflict("DAFEI_NOTICE_TOLERANCE_M", "must be less than DAFEI_NOTICE_DISTANCE_M");
        }
        Self {
            distance,
            tolerance,
            required: reader.value("DAFEI_NOTICE_PLACES", parse::whole(1, 100)),
            reach: reader.value("DAFEI_NOTICE_REACH_M", parse::whole(100, 1_000_000)),
        }
    }

    pub(super) fn get(self, checked: &Checked) -> NoticeRules {
        NoticeRules {
            distance_m: self.distance.get(checked),
            tolerance_m: self.tolerance.get(checked),
            required: self.required.get(checked),
            reach_m: self.reach.get(checked),
        }
    }
}
