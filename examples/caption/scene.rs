//! Pictures of one to three coloured shapes in a row or a column, with what they show in words.

use handmill::train::data::{Dataset, permutation};
use handmill::{HostTensor, Result};

use super::words::{Words, teaching};

/// Pixels of a side.
pub const SIDE: usize = 40;
/// Red, green, blue, and where a pixel is: convolutions see everywhere the same, and words like "left" do not.
pub const CHANNELS: usize = 5;

/// Pictures of captions that are trained on, and of captions that are not.
const TRAINING: usize = 6000;
const HELD_OUT: usize = 300;

const COLOURS: [(&str, [f32; 3]); 4] =
    [("red", [0.9, 0.1, 0.1]), ("green", [0.1, 0.65, 0.2]), ("blue", [0.1, 0.25, 0.9]), ("yellow", [0.95, 0.8, 0.1])];
const SHAPES: [&str; 3] = ["circle", "square", "triangle"];
/// What a shape can be, a colour and a form.
const KINDS: usize = COLOURS.len() * SHAPES.len();

/// What a picture shows, from left to right or from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scene {
    kinds: Vec<usize>,
    column: bool,
}

impl Scene {
    /// All scenes of `count` shapes; one shape alone is in no column.
    fn all(count: u32) -> Vec<Scene> {
        let columns = if count == 1 { &[false][..] } else { &[false, true] };
        let kinds = |n: usize| (0..count).map(|i| n / KINDS.pow(i) % KINDS).collect();
        let of = |&column: &bool| (0..KINDS.pow(count)).map(move |n| Scene { kinds: kinds(n), column });
        columns.iter().flat_map(of).collect()
    }

    /// "a red circle left of a blue square"
    pub fn caption(&self) -> String {
        let name = |&kind: &usize| format!("a {} {}", COLOURS[kind / SHAPES.len()].0, SHAPES[kind % SHAPES.len()]);
        let names: Vec<String> = self.kinds.iter().map(name).collect();
        names.join(if self.column { " above " } else { " left of " })
    }

    /// The picture (CHANNELS, SIDE, SIDE), with colours less those of white paper: where shapes are, and how large, follows from `seed`.
    pub fn draw(&self, seed: u64) -> Vec<f32> {
        let mut draws = permutation(seed, 0, 64).into_iter().map(|n| f64::from(n) / 63.0); // from 0 to 1
        let mut draw = |from: f64, to: f64| from + (to - from) * draws.next().unwrap_or(0.5);
        let (side, part) = (SIDE as f64, SIDE as f64 / self.kinds.len() as f64);
        let line = draw(8.0, side - 8.0);
        let shapes: Vec<_> = (0..self.kinds.len())
            .map(|i| {
                let radius = draw(4.5, 6.5);
                let along = draw(i as f64 * part + radius, (i + 1) as f64 * part - radius);
                let across = line + draw(-1.5, 1.5); // near one line, so that "left of" is never "above" as well
                if self.column { (across, along, radius) } else { (along, across, radius) }
            })
            .collect();
        let mut pixels = vec![0.0; CHANNELS * SIDE * SIDE];
        for (at, (y, x)) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))).enumerate() {
            let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
            for (&kind, &(cx, cy, radius)) in self.kinds.iter().zip(&shapes) {
                if inside(kind % SHAPES.len(), (px - cx) / radius, (py - cy) / radius) {
                    let colour = COLOURS[kind / SHAPES.len()].1;
                    (0..3).for_each(|c| pixels[c * SIDE * SIDE + at] = colour[c] - 1.0);
                }
            }
            pixels[3 * SIDE * SIDE + at] = (2.0 * px / side - 1.0) as f32;
            pixels[4 * SIDE * SIDE + at] = (2.0 * py / side - 1.0) as f32;
        }
        pixels
    }
}

/// A point is in a shape between −1 and 1.
fn inside(shape: usize, x: f64, y: f64) -> bool {
    match SHAPES[shape] {
        "circle" => x * x + y * y < 1.0,
        "square" => x.abs().max(y.abs()) < 0.9,
        _ => y < 0.9 && y > 2.0 * x.abs() - 1.0,
    }
}

/// Scenes to train on, a sixth of one shape, a third of two, and others, of two and three, whose captions are held out.
pub fn scenes(seed: u64) -> [Vec<Scene>; 2] {
    let [one, two, three] = [1, 2, 3].map(|count| {
        let all = Scene::all(count);
        let mut shuffled: Vec<Scene> =
            permutation(seed, count.into(), all.len()).iter().map(|&i| all[i as usize].clone()).collect();
        let held_out = shuffled.split_off(if count == 1 { all.len() } else { all.len() / 6 * 5 });
        (shuffled.into_iter().cycle(), held_out.into_iter().cycle())
    });
    let mut training = [one.0, two.0, three.0];
    let mut held_out = [two.1, three.1];
    let training = [0, 1, 1, 2, 2, 2].iter().cycle().take(TRAINING).filter_map(|&i| training[i].next()).collect();
    [training, (0..HELD_OUT).filter_map(|i| held_out[i % 2].next()).collect()]
}

/// The words of a caption.
pub fn split(caption: &str) -> Vec<String> {
    caption.split(' ').map(str::to_owned).collect()
}

/// Pictures of `scenes` with their captions, and the longest caption with its end.
pub fn examples(scenes: &[Scene], words: &Words) -> Result<(Dataset, usize)> {
    let captions = scenes.iter().map(|s| words.encode(&split(&s.caption()))).collect::<Result<Vec<_>>>()?;
    let [read, written] = teaching(&captions);
    let pixels: Vec<f32> = (1..).zip(scenes).flat_map(|(seed, scene)| scene.draw(seed)).collect();
    let length = read.shape()[1];
    let tensors = [
        ("pixel_values", HostTensor::f32(&[scenes.len(), CHANNELS, SIDE, SIDE], pixels)),
        ("input_ids", read),
        ("target", written),
    ];
    Ok((Dataset::new(tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into())?, length))
}
