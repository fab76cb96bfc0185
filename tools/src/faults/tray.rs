//! Where the one task that reads a queue lays what has come, and each lane finds what it waits for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// What has come, by the key under which it is awaited. Nothing else is kept.
#[derive(Debug)]
pub(super) struct Tray<T> {
    awaited: Mutex<HashMap<String, Option<T>>>,
    came: Notify,
}

impl<T: Clone> Tray<T> {
    pub(super) fn new() -> Self {
        Self { awaited: Mutex::default(), came: Notify::new() }
    }

    /// From now on what comes under this key is kept, until what is returned is dropped. It is asked for before it can come: what comes first
    /// would be passed over.
    pub(super) fn await_of(&self, key: &str) -> Awaited<'_, T> {
        self.lock().insert(key.to_owned(), None);
        Awaited { tray: self, key: key.to_owned() }
    }

    pub(super) fn is_awaited(&self, key: &str) -> bool {
        self.lock().contains_key(key)
    }

    /// Lays something down for whoever waits for it; when nobody does, it is gone.
    pub(super) fn put(&self, key: &str, value: T) {
        if let Some(place) = self.lock().get_mut(key) {
            *place = Some(value);
            self.came.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Option<T>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits for what comes under a key.
#[derive(Debug)]
pub(super) struct Awaited<'a, T> {
    tray: &'a Tray<T>,
    key: String,
}

impl<T: Clone> Awaited<'_, T> {
    /// What has come at last; at once when something has.
    pub(super) async fn came(&self) -> T {
        loop {
            // Before the look: what comes between look and wait wakes it.
            let woken = self.tray.came.notified();
            if let Some(value) = self.tray.lock().get(&self.key).cloned().flatten() {
                return value;
            }
            woken.await;
        }
    }
}

impl<T> Drop for Awaited<'_, T> {
    fn drop(&mut self) {
        self.tray.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::Tray;

    #[tokio::test(start_paused = true)]
    async fn what_comes_is_handed_to_the_lane_that_waits_for_it_whichever_was_first() {
        let tray = Tray::new();
        let (early, late) = (tray.await_of("early"), tray.await_of("late"));
        tray.put("early", 1);
        let reader = async {
            tokio::task::yield_now().await;
            tray.put("late", 2);
        };
        let (first, second, ()) = tokio::join!(early.came(), late.came(), reader);
        assert_eq!((first, second), (1, 2));
        assert_eq!(early.came().await, 1, "a lane that asks again still finds it");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_passed_over_and_what_was_awaited_once_is_not_kept() {
        let tray = Tray::new();
        tray.put("of an earlier load", 1);
        assert!(!tray.is_awaited("of an earlier load"));
        let waiting = tray.await_of("of an earlier load");
        let never = tokio::time::timeout(std::time::Duration::from_secs(1), waiting.came()).await;
        assert!(never.is_err(), "it came before anybody waited for it");
        drop(waiting);
        assert!(tray.lock().is_empty());
    }
}
