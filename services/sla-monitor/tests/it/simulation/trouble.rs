//! What goes wrong between the publishers and the monitor: events that come late, again and out of order. One thing never does: a publisher
//! does not say that its stream is complete up to an instant before all that was recorded until then is in it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Dice, Micros};
use crate::events::Told;

/// A publisher with what it has still to publish.
pub(crate) struct Publisher {
    pub(crate) service: &'static str,
    /// In the order in which it was recorded, last first.
    ahead: Vec<(Micros, Told)>,
    /// What will be published once more.
    echoes: Vec<Told>,
    /// Up to where its stream is complete.
    pub(crate) through: Micros,
    /// Up to where it has said so.
    pub(crate) said: Micros,
}

impl Publisher {
    pub(crate) fn new(service: &'static str, all: &[(Micros, Told)], begin: Micros) -> Self {
        let mut ahead: Vec<_> = all.iter().filter(|(_, told)| told.service == service).cloned().collect();
        ahead.sort_by_key(|(at, _)| *at);
        ahead.reverse();
        Self { service, ahead, echoes: Vec::new(), through: begin, said: begin }
    }

    /// What it publishes now, and the watermark after it: all that was recorded before `through`, and never less than it said before.
    pub(crate) fn publish(&mut self, dice: &mut Dice, through: Micros) -> (Vec<Told>, Micros) {
        self.through = self.through.max(through);
        let mut batch = Vec::new();
        while let Some((_, told)) = self.ahead.pop_if(|(at, _)| *at < self.through) {
            batch.push(told);
        }
        dice.shuffle(&mut batch);
        if !dice.chance(15) {
            in_sequence(&mut batch);
        }
        self.repeat(dice, &mut batch);
        (batch, self.through)
    }

    fn repeat(&mut self, dice: &mut Dice, batch: &mut Vec<Told>) {
        for index in (0..batch.len()).rev() {
            if dice.chance(8) {
                let place = index + 1 + dice.index(batch.len() - index);
                batch.insert(place, batch[index].clone());
            }
            if dice.chance(4) {
                self.echoes.push(batch[index].clone());
            }
        }
        if dice.chance(30) {
            for echo in std::mem::take(&mut self.echoes) {
                batch.insert(dice.index(batch.len() + 1), echo);
            }
        }
    }
}

/// Puts the events of each aggregate in their order, in the places that they have.
fn in_sequence(batch: &mut [Told]) {
    let mut of: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (place, told) in batch.iter().enumerate() {
        of.entry(told.aggregate).or_default().push(place);
    }
    for places in of.values() {
        let mut events: Vec<Told> = places.iter().map(|place| batch[*place].clone()).collect();
        events.sort_by_key(|told| told.sequence);
        for (place, told) in places.iter().zip(events) {
            batch[*place] = told;
        }
    }
}
