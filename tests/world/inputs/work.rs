//! work N: maps, strings, vectors, aligned blocks, threads and channels; prints checksums.
use std::alloc::{alloc_zeroed, dealloc, realloc, Layout};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt::{Debug, Write};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn word(i: usize) -> String {
    let letter = (b'a' + (i % 26) as u8) as char;
    let mut text: String = std::iter::repeat(letter).take(i % 9).collect();
    write!(text, "{}", i * 7919 % 10007).unwrap();
    text
}

fn checksum<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    words.flat_map(str::bytes).fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_003)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value<T> {
    Nothing,
    One(T),
    Many(Vec<Value<T>>),
    Named(BTreeMap<String, Value<T>>),
}

fn grow<T: Clone + From<u16>>(depth: u16) -> Value<T> {
    match depth % 4 {
        _ if depth == 0 => Value::Nothing,
        0 => Value::One(T::from(depth)),
        1 => Value::Many((0..depth).map(|_| grow(depth - 1)).collect()),
        _ => Value::Named((0..depth).map(|i| (word(i.into()), grow(depth - 1))).collect()),
    }
}

fn described<T>(depth: u16) -> usize
where
    T: Clone + From<u16> + Debug + Ord,
{
    let value: Value<T> = grow(depth);
    let mut copies = vec![value.clone(), Value::One(T::from(depth)), Value::Nothing, value];
    copies.sort();
    copies.dedup();
    format!("{:?}", copies).len()
}

/// Blocks with alignments of their own, grown by realloc.
fn aligned_blocks(n: usize) -> usize {
    (0..n / 10)
        .map(|i| {
            let layout = Layout::from_size_align(i % 3000 + 1, 1 << (i % 13)).unwrap();
            unsafe {
                let block = alloc_zeroed(layout);
                let grown = realloc(block, layout, layout.size() * 2);
                let zero = (0..layout.size()).all(|at| *grown.add(at) == 0);
                let aligned = grown as usize % layout.align() == 0;
                let last = Layout::from_size_align(layout.size() * 2, layout.align()).unwrap();
                dealloc(grown, last);
                usize::from(zero && aligned)
            }
        })
        .sum()
}

fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut words: Vec<String> = (0..n).map(word).collect();
    words.sort();
    println!("{}", checksum(words.iter().map(String::as_str)));

    let mut counts: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, word) in words.iter().enumerate() {
        counts.entry(word.trim_end_matches(char::is_numeric)).or_default().push(i);
    }
    println!("{} {:?}", counts.len(), counts.values().map(Vec::len).max());
    println!("{}", words.iter().map(String::len).collect::<HashSet<_>>().len());
    println!("{} {} {}", described::<u32>(7), described::<f64_ordered::F>(6), described::<u64>(5));
    println!("{}", aligned_blocks(n));

    let shared = Arc::new(Mutex::new(BTreeMap::new()));
    let (sender, receiver) = mpsc::channel::<Box<[String]>>();
    let workers: Vec<_> = (1..=4)
        .map(|worker| {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::spawn(move || {
                let mut queue = VecDeque::new();
                for i in 0..n {
                    queue.push_back(word(i * worker));
                    if queue.len() > 100 {
                        sender.send(queue.drain(..50).collect()).unwrap();
                    }
                    *shared.lock().unwrap().entry(word(i % 1000)).or_insert(0) += worker;
                }
            })
        })
        .collect();
    drop(sender);
    let received: usize = receiver.iter().map(|part| part.iter().map(String::len).sum::<usize>()).sum();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    println!("{} {}", received, shared.lock().unwrap().values().sum::<usize>());
}

mod f64_ordered {
    #[derive(Clone, Debug)]
    pub struct F(f64);
    impl From<u16> for F {
        fn from(x: u16) -> F {
            F(f64::from(x) / 7.0)
        }
    }
    impl PartialEq for F {
        fn eq(&self, other: &F) -> bool {
            self.0.total_cmp(&other.0).is_eq()
        }
    }
    impl Eq for F {}
    impl PartialOrd for F {
        fn partial_cmp(&self, other: &F) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for F {
        fn cmp(&self, other: &F) -> std::cmp::Ordering {
            self.0.total_cmp(&other.0)
        }
    }
}
