//! Tasks of a made-up world, and what the store must say of them. For tests.

use super::{Model, World};
use crate::contract::Reader;
use everstate_kernel::{Instance, Json, Serial, Stage, Task, TaskKey, TaskPolicy, TaskStanding, Time};
use std::sync::Arc;

impl World {
    /// A task ends, comes, or goes on.
    pub(super) fn tasks(&mut self, instance: &mut Instance) -> (Vec<TaskKey>, Vec<TaskKey>) {
        let before: Vec<TaskKey> = instance.task_keys().collect();
        match self.dice.below(6) {
            0 => instance.tasks.clear(),
            1 | 2 if instance.tasks.len() > 2 => {}
            1 | 2 => {
                let number = Serial(self.serial());
                let queue = ["cards", "card", "cards/eu"][self.dice.below(3) as usize];
                let stage = Stage::Ready { since: Time(self.now) };
                instance.tasks.push(Task {
                    name: Arc::from("pay"),
                    number,
                    queue: Arc::from(queue),
                    input: Json::NULL,
                    policy: TaskPolicy::default(),
                    asked_at: Time(self.now),
                    attempts: 0,
                    leases: 0,
                    stage,
                    failure: None,
                    progress: Json::NULL,
                });
            }
            3 => instance.tasks.iter_mut().for_each(|task| {
                let (since, heard) = (Time(self.now), Time(self.now));
                task.stage = Stage::Leased { worker: Arc::from("w"), since, heard };
            }),
            _ => {}
        }
        let after: Vec<TaskKey> = instance.task_keys().collect();
        let only = |of: &[TaskKey], other: &[TaskKey]| -> Vec<TaskKey> {
            of.iter().filter(|key| !other.contains(key)).cloned().collect()
        };
        (only(&before, &after), only(&after, &before))
    }
}

impl Model {
    pub(super) fn keep_tasks(&mut self, cleared: &[TaskKey], set: &[TaskKey]) {
        cleared.iter().for_each(|task| {
            self.tasks.remove(task);
        });
        self.tasks.extend(set.iter().cloned());
    }

    pub(super) fn check_tasks(&self, reader: &dyn Reader) {
        let middle = self.tasks.iter().nth(self.tasks.len() / 2);
        let questions = [
            (None, None, None, usize::MAX),
            (Some("cards"), Some(TaskStanding::Ready), None, 2),
            (Some("cards"), Some(TaskStanding::Ready), middle, 3),
            (Some("card"), None, middle, 3),
            (None, Some(TaskStanding::Leased), middle, 4),
            (Some("nobody"), None, None, 1),
        ];
        for (queue, standing, after, limit) in questions {
            let fits = |task: &&TaskKey| {
                queue.is_none_or(|queue| *task.queue == *queue)
                    && standing.is_none_or(|standing| task.standing == standing)
                    && after.is_none_or(|after| *task > after)
            };
            let expected: Vec<TaskKey> = self.tasks.iter().filter(fits).take(limit).cloned().collect();
            assert_eq!(reader.tasks(queue, standing, after, limit).unwrap(), expected);
        }
    }
}
