//! openraft's runtime in the simulation: one thread, simulated time, every choice from one seed.

mod executor;

use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use openraft::async_runtime::AsyncRuntime;
use openraft::{OptionalSend, TokioRuntime};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use executor::TaskId;
pub use executor::{Owner, Panicked, Stalled, WORLD, kill, new_owner, pause, resume, run, spawn_for, take_panics};

/// A point in simulated time: since the beginning of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Time since the beginning of the run.
    pub const fn since_start(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl openraft::Instant for Instant {
    fn now() -> Self {
        now()
    }
}

/// The simulated time.
pub fn now() -> Instant {
    Instant(executor::now())
}

/// A generator for one purpose, seeded from the run's.
pub fn random() -> SmallRng {
    SmallRng::seed_from_u64(executor::next_seed())
}

/// Waits in simulated time.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::until(now() + duration)
}

/// Waits for `future`, at most for `limit`.
///
/// # Errors
/// If it is not ready by then.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T> + Send) -> Result<T, Elapsed> {
    Timeout::new(now() + limit, future).await
}

/// Starts a task of whoever runs now.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    spawn_for(executor::current_owner(), future)
}

/// Ready when its time has come.
#[derive(Debug)]
pub struct Sleep {
    until: Instant,
    timer: Option<u64>,
}

impl Sleep {
    const fn until(until: Instant) -> Self {
        Self { until, timer: None }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            executor::forget_timer(self.until.0, timer);
        }
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now() >= self.until {
            return Poll::Ready(());
        }
        self.timer = Some(executor::wake_at(self.until.0, self.timer, context.waker().clone()));
        Poll::Pending
    }
}

/// What was waited for took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in time")]
pub struct Elapsed;

/// A future with a limit.
pub struct Timeout<T> {
    future: Pin<Box<T>>,
    limit: Sleep,
}

impl<T: Future> Timeout<T> {
    fn new(until: Instant, future: T) -> Self {
        Self {
            future: Box::pin(future),
            limit: Sleep::until(until),
        }
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut self.limit).poll(context).map(|()| Err(Elapsed))
    }
}

/// The task ended without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {}", if *.panicked { "panicked" } else { "was killed" })]
pub struct JoinError {
    panicked: bool,
}

/// Waits for the value of a task; dropping it does not end the task.
#[derive(Debug)]
pub struct JoinHandle<T> {
    task: TaskId,
    value: oneshot::Receiver<T>,
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task;
        let gone = |_| JoinError {
            panicked: executor::has_panicked(task),
        };
        Pin::new(&mut self.value).poll(context).map_err(gone)
    }
}

/// openraft's runtime over the tasks and the clock of this thread. Its channels are those of tokio, which need no runtime.
#[derive(Debug)]
pub struct Runtime;

impl AsyncRuntime for Runtime {
    type JoinError = JoinError;
    type JoinHandle<T: OptionalSend + 'static> = JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = Instant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<T>;
    type ThreadLocalRng = SmallRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        spawn(future)
    }

    fn sleep(duration: Duration) -> Sleep {
        sleep(duration)
    }

    fn sleep_until(until: Instant) -> Sleep {
        Sleep::until(until)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timeout<F> {
        Timeout::new(now() + duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Instant, future: F) -> Timeout<F> {
        Timeout::new(deadline, future)
    }

    fn is_panic(error: &JoinError) -> bool {
        error.panicked
    }

    fn thread_rng() -> SmallRng {
        random()
    }

    fn new(_threads: usize) -> Self {
        Self
    }

    fn block_on<F: Future<Output = T>, T>(&mut self, future: F) -> T {
        futures::executor::block_on(future)
    }
}
