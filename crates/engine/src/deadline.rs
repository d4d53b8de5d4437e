//! When a timer is due: what a clock reads then, as a number in the same order.
//!
//! The clock is whatever a program has given the loop. It may count from any time, in any unit, forwards from
//! minus infinity: a deadline is neither rounded nor bounded.

/// A point in time; an earlier one is less.
pub type Deadline = i64;

const NANOS: f64 = 1e9;

/// The first moment at which the clock reads `seconds` or more. What is no number is never due.
#[must_use]
pub fn at(seconds: f64) -> Deadline {
    if seconds.is_nan() {
        return Deadline::MAX;
    }
    // There are two zeros.
    turned((seconds + 0.0).to_bits() as i64)
}

/// What the clock reads then.
#[must_use]
pub fn seconds(deadline: Deadline) -> f64 {
    f64::from_bits(turned(deadline) as u64)
}

/// Nanoseconds from a reading of the clock to a deadline, rounded up; none if it has passed.
#[must_use]
pub fn nanos_until(deadline: Deadline, now: f64) -> Option<i64> {
    if deadline <= at(now) {
        return None;
    }
    let left = seconds(deadline) - now;
    Some(if left.is_nan() { i64::MAX } else { (left * NANOS).ceil() as i64 })
}

/// The bits of floating-point numbers are in the order of the numbers, except that the negative ones run
/// backwards. Turned twice they are as before.
fn turned(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_in_the_order_of_the_readings() {
        let all =
            [-f64::INFINITY, -1e300, -1.5, -1e-300, 0.0, 1e-300, 1.5, 9.3e9, 1.7e12, 1e300, f64::INFINITY];
        assert!(all.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
        assert!(all.iter().all(|reading| seconds(at(*reading)) == *reading));
        assert_eq!(at(-0.0), at(0.0));
        assert!(at(f64::NAN) > at(f64::INFINITY) && at(-f64::NAN) > at(f64::INFINITY));
    }

    #[test]
    fn a_wait_is_rounded_up_and_is_none_where_nothing_is_left() {
        assert_eq!(nanos_until(at(2.5), 1.5), Some(1_000_000_000));
        assert_eq!(nanos_until(at(1.0 + f64::EPSILON), 1.0), Some(1));
        assert_eq!(nanos_until(at(1.5), 1.5), None);
        assert_eq!(nanos_until(at(-f64::INFINITY), 0.0), None);
        for never in [1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(nanos_until(at(never), 0.0), Some(i64::MAX));
        }
    }
}
