//! Industry: the second key of routing.

use crate::codes::coded;

coded! {
    /// The industry of an enterprise or site.
    #[derive(Default)]
    Industry, IndustryError, "an industry" {
        /// The default.
        #[default]
        General = "general", "一般";
        /// 煤矿.
        Coal = "coal", "煤矿";
        /// 学校.
        School = "school", "学校";
        /// 水利工程.
        WaterWorks = "water-works", "水利工程";
        /// 交通工程.
        TransportWorks = "transport-works", "交通工程";
        /// 油气管道.
        OilGasPipeline = "oil-gas-pipeline", "油气管道";
        /// 电力.
        Power = "power", "电力";
        /// 邮政快递.
        PostalExpress = "postal-express", "邮政快递";
        /// 小医药.
        SmallPharma = "small-pharma", "小医药";
    }
}
