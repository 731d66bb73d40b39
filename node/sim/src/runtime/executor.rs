//! Tasks, clock and randomness of one thread. Which of the tasks that could go on does is drawn from the seed, time passes
//! only when none could, and the tasks of one owner can be stopped for a while or for good in the middle of what they do.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::channel::oneshot;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::JoinHandle;

/// Whose task one is: a process of a member, or the world.
pub type Owner = u64;
/// Owner of what belongs to no member: clients, the network, who injects the faults.
pub const WORLD: Owner = 0;
/// Steps without time passing after which a run is given up.
const MOST_STEPS_AT_ONCE: u64 = 2_000_000;

pub(super) type TaskId = u64;
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Ready = Arc<Mutex<BTreeSet<TaskId>>>;

/// A task that ended by a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// Whose it was.
    pub owner: Owner,
    /// What it said.
    pub message: String,
}

/// The run cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stalled {
    /// Everything waits for something that no clock brings.
    #[error("every task waits for another one")]
    Deadlock,
    /// Tasks wake each other and no time passes.
    #[error("tasks keep each other busy while no time passes")]
    Livelock,
}

struct Task {
    owner: Owner,
    work: Option<Work>,
}

struct WakeTask {
    task: TaskId,
    ready: Ready,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.ready.lock().insert(self.task);
    }
}

struct Executor {
    now: Duration,
    random: SmallRng,
    tasks: BTreeMap<TaskId, Task>,
    ready: Ready,
    timers: BTreeMap<(Duration, u64), Waker>,
    paused: BTreeSet<Owner>,
    panics: Vec<(TaskId, Panicked)>,
    taken_panics: usize,
    current: Owner,
    last_number: u64,
}

impl Executor {
    fn seeded(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            random: SmallRng::seed_from_u64(seed),
            tasks: BTreeMap::new(),
            ready: Ready::default(),
            timers: BTreeMap::new(),
            paused: BTreeSet::new(),
            panics: Vec::new(),
            taken_panics: 0,
            current: WORLD,
            last_number: WORLD,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes one of the tasks that can go on.
    fn pick(&mut self) -> Option<(TaskId, Owner, Work, Waker)> {
        let mut ready = self.ready.lock();
        ready.retain(|task| self.tasks.contains_key(task));
        let can_run = |task: &&TaskId| !self.paused.contains(&self.tasks[*task].owner);
        let count = ready.iter().filter(can_run).count();
        if count == 0 {
            return None;
        }
        let chosen = self.random.random_range(0..count);
        let id = *ready.iter().filter(can_run).nth(chosen)?;
        ready.remove(&id);
        let task = self.tasks.get_mut(&id)?;
        let waker = Waker::from(Arc::new(WakeTask {
            task: id,
            ready: Arc::clone(&self.ready),
        }));
        Some((id, task.owner, task.work.take()?, waker))
    }

    /// Lets time pass until the next timer.
    fn advance(&mut self) -> Result<(), Stalled> {
        let (&(at, _), _) = self.timers.first_key_value().ok_or(Stalled::Deadlock)?;
        self.now = self.now.max(at);
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= at) {
            timer.remove().wake();
        }
        Ok(())
    }
}

thread_local! {
    static EXECUTOR: RefCell<Executor> = RefCell::new(Executor::seeded(0));
}

fn with<T>(act: impl FnOnce(&mut Executor) -> T) -> T {
    EXECUTOR.with_borrow_mut(act)
}

pub(super) fn now() -> Duration {
    with(|executor| executor.now)
}

pub(super) fn next_seed() -> u64 {
    with(|executor| executor.random.next_u64())
}

pub(super) fn current_owner() -> Owner {
    with(|executor| executor.current)
}

/// Wakes `waker` at `at`, by the timer of this number or a new one.
pub(super) fn wake_at(at: Duration, timer: Option<u64>, waker: Waker) -> u64 {
    with(|executor| {
        let number = timer.unwrap_or_else(|| executor.number());
        executor.timers.insert((at, number), waker);
        number
    })
}

/// Forgets a timer, if the executor is still there.
pub(super) fn forget_timer(at: Duration, timer: u64) {
    let forgotten = EXECUTOR.try_with(|executor| {
        let mut executor = executor.try_borrow_mut().ok()?;
        executor.timers.remove(&(at, timer))
    });
    drop(forgotten);
}

pub(super) fn has_panicked(task: TaskId) -> bool {
    with(|executor| executor.panics.iter().any(|(panicked, _)| *panicked == task))
}

/// An owner that nothing belongs to yet.
pub fn new_owner() -> Owner {
    with(Executor::number)
}

/// Starts a task of `owner`.
pub fn spawn_for<T: Send + 'static>(owner: Owner, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let (sender, value) = oneshot::channel();
    let work = Box::pin(async move {
        // Nobody may wait for it any more.
        drop(sender.send(future.await));
    });
    let task = with(|executor| {
        let id = executor.number();
        let work = Some(work as Work);
        executor.tasks.insert(id, Task { owner, work });
        executor.ready.lock().insert(id);
        id
    });
    JoinHandle { task, value }
}

/// Ends every task of `owner` where it stands.
pub fn kill(owner: Owner) {
    let killed = with(|executor| {
        executor.paused.remove(&owner);
        let (killed, others) = std::mem::take(&mut executor.tasks)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, task)| task.owner == owner);
        executor.tasks = others;
        killed
    });
    // What they hold may wake others when it goes.
    drop(killed);
}

/// Stops the tasks of `owner` until [`resume`]; time goes on without them.
pub fn pause(owner: Owner) {
    with(|executor| executor.paused.insert(owner));
}

/// Lets the tasks of `owner` go on.
pub fn resume(owner: Owner) {
    with(|executor| executor.paused.remove(&owner));
}

/// The panics since the last call.
pub fn take_panics() -> Vec<Panicked> {
    with(|executor| {
        let new = &executor.panics[executor.taken_panics..];
        let new = new.iter().map(|(_, panicked)| panicked.clone()).collect();
        executor.taken_panics = executor.panics.len();
        new
    })
}

/// Runs `main` and all that it starts, from nothing but `seed`.
///
/// # Errors
/// If it comes to a standstill.
pub fn run<T: Send + 'static>(seed: u64, main: impl Future<Output = T> + Send + 'static) -> Result<T, Stalled> {
    drop(EXECUTOR.replace(Executor::seeded(seed)));
    let mut main = spawn_for(WORLD, main);
    let mut steps = 0;
    let result = loop {
        if let Ok(Some(value)) = main.value.try_recv() {
            break Ok(value);
        }
        if step() {
            steps += 1;
        } else if let Err(stalled) = with(Executor::advance) {
            break Err(stalled);
        } else {
            steps = 0;
        }
        if steps > MOST_STEPS_AT_ONCE {
            break Err(Stalled::Livelock);
        }
    };
    // What is dropped now may still ask for the time.
    let tasks = with(|executor| std::mem::take(&mut executor.tasks));
    drop(tasks);
    result
}

/// Lets one task go on; false if none can.
fn step() -> bool {
    let Some((id, owner, mut work, waker)) = with(Executor::pick) else {
        return false;
    };
    with(|executor| executor.current = owner);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        work.as_mut().poll(&mut Context::from_waker(&waker))
    }));
    let done = with(|executor| {
        executor.current = WORLD;
        match polled {
            Ok(Poll::Pending) => {
                let task = executor.tasks.get_mut(&id);
                let Some(task) = task else { return Some(work) };
                task.work = Some(work);
                None
            }
            Ok(Poll::Ready(())) => {
                executor.tasks.remove(&id);
                Some(work)
            }
            Err(panic) => {
                executor.tasks.remove(&id);
                let message = message_of(panic.as_ref());
                executor.panics.push((id, Panicked { owner, message }));
                Some(work)
            }
        }
    });
    drop(done);
    true
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
