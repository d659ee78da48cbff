//! The soak time: for how long all of a stage run the candidate before it has passed.

use voxsync_crds::{
    code_sync::{PromotionStatus, StagePhase},
    duration::DurationText,
};

use crate::{
    lifecycle::is_hurried,
    rows::{Row, Weight},
    text::{clock, later, moment},
    visit::Visit,
    walk::Walk,
};

impl Visit<'_, '_> {
    /// All run the candidate: waits for the soak time to pass.
    pub(crate) fn soak<'p>(
        &self,
        promotion: &'p PromotionStatus,
        walk: &mut Walk,
    ) -> (StagePhase, Option<&'p PromotionStatus>) {
        // Who hurries waits for no soak time, not even for one that cannot be read.
        let soak = self.stage.soak.as_ref().filter(|_| !is_hurried(self.view, promotion));
        let soak = match soak.map(DurationText::to_duration).transpose() {
            Ok(soak) => soak.unwrap_or_default(),
            Err(error) => {
                let message = format!("stages[{}].soak: {error}", self.stage.name);
                walk.rows.push(self.row(Weight::Stalls, "InvalidSpec", message, "soak".to_owned()));
                return (StagePhase::Soaking, None);
            }
        };
        let since = self.since(StagePhase::Soaking).unwrap_or(self.view.now);
        let until = later(since, soak);
        if self.frozen {
            return (StagePhase::Soaking, None);
        }
        if self.view.now >= until {
            return (StagePhase::Deployed, Some(promotion));
        }
        let name = &self.stage.name;
        let message =
            format!("stage {name} runs {} and soaks until {}", promotion.candidate.name, moment(until));
        let brief = format!("soak of {name} until {}", clock(until, since));
        walk.rows.push(Row { until: Some(until), ..self.row(Weight::Waits, "Soak", message, brief) });
        (StagePhase::Soaking, None)
    }
}
