//! What must not show itself, whatever prints it.

use std::fmt;

use crate::intake::v1::InformantCode;

impl fmt::Debug for InformantCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InformantCode(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use crate::intake::v1::{GetTipStatusRequest, InformantCode, NewTip, SubmitTipRequest, submit_tip_request::Part};

    #[test]
    fn no_message_with_a_code_shows_it() {
        let code = || Some(InformantCode { text: "SECRET7".to_owned() });
        let tip = NewTip { code: code(), ..Default::default() };
        let shown = [
            format!("{:?}", code()),
            format!("{:?}", GetTipStatusRequest { receipt: String::new(), code: code() }),
            format!("{:#?}", SubmitTipRequest { part: Some(Part::Tip(tip)) }),
        ];
        assert!(shown.iter().all(|text| !text.contains("SECRET7") && text.contains("not shown")), "{shown:?}");
    }
}
