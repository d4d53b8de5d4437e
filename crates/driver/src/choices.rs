//! What chance decides in a simulation: seeded, written down, and played again.
//!
//! Everything that may go one way or another asks here, in one line: so a run is its list of answers. 0 is
//! what happens where nobody interferes; any other answer is a deviation. Knows nothing of what is decided.

/// Where the answers come from.
#[derive(Clone, Debug)]
enum Source {
    /// From a seed, for as long as somebody asks.
    Seed(SplitMix),
    /// From a list; after its end it is 0.
    List(Vec<u32>),
}

/// The answers of one run.
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
    made: Vec<u32>,
}

impl Choices {
    /// Answers by a seed: the same for the same, in each release.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Seed(SplitMix(seed)), made: Vec::new() }
    }

    /// The answers of another run. One that is no answer any more, since the program has changed, is 0.
    #[must_use]
    pub fn replayed(list: Vec<u32>) -> Self {
        Self { source: Source::List(list), made: Vec::new() }
    }

    /// One of `0..of`, each as likely.
    pub fn choose(&mut self, of: u32) -> u32 {
        self.answer(of, |random| random.below(of))
    }

    /// The same, 0 in all but one case of so many: for what seldom happens.
    pub fn choose_rarely(&mut self, of: u32, one_in: u32) -> u32 {
        self.answer(of, |random| if random.below(one_in) == 0 { random.below(of) } else { 0 })
    }

    fn answer(&mut self, of: u32, random: impl FnOnce(&mut SplitMix) -> u32) -> u32 {
        if of < 2 {
            return 0;
        }
        let answer = match &mut self.source {
            Source::Seed(seed) => random(seed),
            Source::List(list) => {
                list.get(self.made.len()).copied().filter(|answer| *answer < of).unwrap_or(0)
            }
        };
        self.made.push(answer);
        answer
    }

    /// The answers so far.
    #[must_use]
    pub fn made(&self) -> &[u32] {
        &self.made
    }
}

/// Numbers from a seed. Ours, in the place of a library's, because a seed that somebody has noted has to mean
/// the same run in each later release.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    fn below(&mut self, bound: u32) -> u32 {
        // The upper half of a product: no division, and a bias that nobody can measure.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u32
    }
}

/// A number of which each bit depends on each of the old one.
#[must_use]
pub(crate) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(choices: &mut Choices) -> Vec<u32> {
        (2..50).map(|of| choices.choose(of)).collect()
    }

    #[test]
    fn a_seed_means_the_same_answers_and_its_list_does_too() {
        let mut first = Choices::seeded(7);
        let answers = asked(&mut first);
        assert_eq!(answers, asked(&mut Choices::seeded(7)));
        assert_ne!(answers, asked(&mut Choices::seeded(8)));
        assert_eq!(first.made(), answers);
        assert_eq!(answers, asked(&mut Choices::replayed(first.made().to_vec())));
    }

    #[test]
    fn what_a_seed_means_stays_what_it_is() {
        let mut choices = Choices::seeded(1);
        let answers: Vec<_> = (0..6).map(|_| choices.choose(1000)).collect();
        assert_eq!(answers, [566, 745, 971, 444, 444, 762]);
    }

    #[test]
    fn after_the_end_of_a_list_and_for_an_answer_that_is_none_it_is_0() {
        let mut choices = Choices::replayed(vec![3, 9]);
        assert_eq!([choices.choose(4), choices.choose(4), choices.choose(4)], [3, 0, 0]);
    }

    #[test]
    fn what_is_no_question_is_not_written_down() {
        let mut choices = Choices::seeded(1);
        assert_eq!(choices.choose(1) + choices.choose(0), 0);
        assert!(choices.made().is_empty());
    }

    #[test]
    fn all_answers_come_and_rare_ones_come_rarely() {
        let mut choices = Choices::seeded(3);
        let mut seen = [0; 5];
        (0..5000).for_each(|_| seen[choices.choose(5) as usize] += 1);
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        let rare = (0..5000).filter(|_| choices.choose_rarely(5, 10) > 0).count();
        assert!((250..550).contains(&rare), "{rare}");
    }
}
