//! The table that says which line an instruction is of (CPython: `InternalDocs/code_objects.md`).

/// The entries' kinds that need a look: no line at all, a line and columns in full, a line only, and the three
/// that tell a line up to two below.
const NO_LINE: u8 = 15;
const LONG: u8 = 14;
const NO_COLUMNS: u8 = 13;
const ONE_LINE: std::ops::RangeInclusive<u8> = 10..=12;

/// The line of the `index`th code unit, of a code that begins at `first`. The one before the first counts as the
/// first: there a frame stands that has not begun.
pub(crate) fn line_of(table: &[u8], first: i32, index: i64) -> Option<i32> {
    let (mut line, mut end, mut rest) = (first, 0, table);
    while let [head, tail @ ..] = rest {
        let kind = head >> 3 & 15;
        line = line.checked_add(match kind {
            LONG | NO_COLUMNS => signed(tail)?,
            kind if ONE_LINE.contains(&kind) => i32::from(kind - ONE_LINE.start()),
            _ => 0,
        })?;
        end += i64::from(head & 7) + 1;
        if index < end {
            return Some(if kind == NO_LINE { first } else { line });
        }
        let next = tail.iter().position(|byte| byte & 0x80 != 0)?;
        rest = &tail[next..];
    }
    None
}

/// A number of six bits a byte, its sign in the lowest.
fn signed(bytes: &[u8]) -> Option<i32> {
    let mut number = 0_u32;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 63).checked_shl(6 * place as u32)?;
        if byte & 64 == 0 {
            let half = (number >> 1) as i32;
            return Some(if number & 1 != 0 { -half } else { half });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry: its kind, how many code units, what follows.
    fn entry(kind: u8, units: u8, more: &[u8]) -> Vec<u8> {
        [&[0x80 | kind << 3 | (units - 1)], more].concat()
    }

    #[test]
    fn each_kind_of_entry_moves_the_line_as_it_says() {
        let table = [
            entry(0, 1, &[0x12]),                   // the same line, columns in a byte
            entry(11, 3, &[1, 2]),                  // one below
            entry(13, 2, &[5 << 1]),                // five below
            entry(14, 1, &[(2 << 1) | 1, 0, 1, 1]), // two above
            entry(15, 1, &[]),                      // none
            entry(12, 8, &[1, 2]),                  // two below
        ]
        .concat();
        let lines: Vec<_> = (-1..17).map(|index| line_of(&table, 100, index)).collect();
        let expected = [vec![100; 2], vec![101; 3], vec![106; 2], vec![104], vec![100], vec![106; 8], vec![]];
        let expected: Vec<_> = expected.concat().into_iter().map(Some).chain([None]).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn long_steps_take_more_bytes() {
        let number = 1000_u32 << 1;
        let more = [64 | (number & 63) as u8, (number >> 6) as u8];
        assert_eq!(line_of(&entry(13, 1, &more), 1, 0), Some(1001));
    }

    #[test]
    fn garbage_is_no_line() {
        for table in [&[][..], &[0x80 | 13 << 3], &[0x80 | 13 << 3, 64, 64, 64, 64, 64, 64], &[0x80; 1]] {
            assert_eq!(line_of(table, 1, 5), None, "{table:?}");
        }
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let table: Vec<u8> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let _ = line_of(&table, i32::MAX - 3, 60);
        }
    }
}
