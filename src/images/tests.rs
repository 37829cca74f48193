use std::path::PathBuf;

use super::*;
use crate::weights::load_tensors;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name)
}

fn config(text: &str) -> Config {
    Config::parse("preprocessor_config.json", text).unwrap()
}

fn processor(text: &str, kind: Kind) -> ImageProcessor {
    let config = config(text);
    let found = ImageProcessor::read(&config, kind);
    config.finish().unwrap();
    found
}

/// A row of grays.
fn row(grays: &[u8]) -> RgbImage {
    RgbImage::from_fn(grays.len() as u32, 1, |x, _| image::Rgb([grays[x as usize]; 3]))
}

fn grays(image: &RgbImage) -> Vec<u8> {
    image.pixels().map(|pixel| pixel.0[1]).collect()
}

/// Worked out by hand: 125/1.75 and 212.5/1.75 of a wide triangle; 57.8/1.09 and what exceeds a byte of the cubic.
#[test]
fn resamples_as_by_hand() {
    assert_eq!(grays(&resize(&row(&[0, 100, 200, 50]), [1, 2], Filter::Bilinear)), [71, 121]);
    assert_eq!(grays(&resize(&row(&[0, 255]), [1, 4], Filter::Bicubic)), [0, 53, 202, 255]);
    assert_eq!(grays(&resize(&row(&[9, 7]), [3, 2], Filter::Bicubic)), [9, 7, 9, 7, 9, 7]);
}

#[test]
fn cuts_the_middle_and_pads_with_black() {
    let cut = |width: usize, wanted| grays(&center_crop(&row(&[1, 2, 3, 4, 5][..width]), wanted));
    assert_eq!(cut(5, [1, 3]), [2, 3, 4]);
    assert_eq!(cut(4, [1, 3]), [1, 2, 3]);
    assert_eq!(cut(2, [1, 5]), [0, 0, 1, 2, 0]);
    assert_eq!(cut(2, [2, 2]), [0, 0, 1, 2]);
}

#[test]
fn values_are_scaled_and_shifted() {
    let own = processor(r#"{"size": 1, "image_mean": [0.5, 0.25, 0], "image_std": 0.25}"#, Kind::Vit);
    let values = own.pixel_values(&[row(&[255]), row(&[0])]).unwrap();
    assert_eq!(values.shape(), [2, 3, 1, 1]);
    assert_eq!(values.as_f32().unwrap(), [2.0, 3.0, 4.0, -2.0, -1.0, 0.0]);
    let plain = processor(r#"{"size": 1, "do_rescale": false, "do_normalize": false}"#, Kind::Vit);
    assert_eq!(plain.pixel_values(&[row(&[200])]).unwrap().as_f32().unwrap(), [200.0; 3]);
}

/// `pixel_values.safetensors` holds what `ViTImageProcessor` and `CLIPImageProcessor` of transformers 4.49 with Pillow 13
/// make of `photo.png`, with the arguments of each case in `cases.json`: `P(**case)(image, return_tensors="np")`.
#[test]
fn equals_the_library() {
    let expected = load_tensors(data("pixel_values.safetensors")).unwrap();
    let cases = crate::folder::read_object(&data("cases.json")).unwrap();
    assert_eq!((cases.len(), expected.len()), (6, 6));
    for (name, case) in &cases {
        let own = processor(&case.to_string(), Kind::Vit);
        let found = own.pixel_values(&[own.open(&data("photo.png")).unwrap()]).unwrap();
        let (found, expected) = (&found, &expected[name]);
        assert_eq!(found.shape(), expected.shape(), "{name}");
        assert_eq!(found.as_f32().unwrap(), expected.as_f32().unwrap(), "{name}");
    }
}

#[test]
fn what_is_not_supported_is_one_sentence() {
    for (text, expected) in [
        (r#"{"do_pad": true}"#, "do_pad: is a step that is not supported here"),
        (r#"{"resample": 1}"#, "resample: found 1, expected a whole number from 2 to 3"),
        (
            r#"{"size": {"longest_edge": 3}}"#,
            "size: found {\"longest_edge\":3}, expected \"height\" and \"width\", or \"shortest_edge\"",
        ),
        (
            r#"{"crop_size": {"shortest_edge": 3}}"#,
            "crop_size: found \"shortest_edge\", expected \"height\" and \"width\"",
        ),
        (r#"{"image_std": [1, 0, 1]}"#, "image_std: found 0 or less, expected more"),
        (r#"{"image_mean": [1, 2]}"#, "image_mean: found a list of 2, expected 3 numbers"),
        (r#"{"data_format": "channels_last"}"#, "data_format: found \"channels_last\", expected \"channels_first\""),
        (
            r#"{"image_processor_type": "DonutImageProcessor"}"#,
            "image_processor_type: found \"DonutImageProcessor\", expected ViTImageProcessor or CLIPImageProcessor",
        ),
    ] {
        let config = config(text);
        ImageProcessor::read(&config, Kind::Vit);
        assert_eq!(config.finish().unwrap_err().to_string(), format!("preprocessor_config.json: {expected}"));
    }
    processor(r#"{"do_pad": false, "pad_size": null, "_valid_processor_keys": ["a"]}"#, Kind::Vit);
}

#[test]
fn files_that_are_no_such_images() {
    let own = processor(r#"{"do_resize": false, "do_convert_rgb": false}"#, Kind::Vit);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    let fails = |expected: &str| {
        let message = own.open(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: {expected}", path.display())), "{message}");
    };
    fails("cannot be opened");
    fs::write(&path, "GIF").unwrap();
    fails("cannot be decoded: The image format could not be determined");
    image::GrayImage::new(2, 2).save(&path).unwrap();
    fails("is gray or has transparency, and do_convert_rgb is false");
    image::DynamicImage::new_rgb16(2, 2).save(&path).unwrap();
    fails("has more than 8 bits a channel, expected 8");
    let message = own.pixel_values(&[row(&[1]), row(&[1, 2])]).unwrap_err().to_string();
    assert_eq!(message, "pixel_values: image 2 becomes 2 × 1, the first 1 × 1");
    let long = processor(r#"{"size": {"shortest_edge": 9000}}"#, Kind::Clip);
    let message = long.pixels(&row(&[1, 2])).unwrap_err().to_string();
    assert_eq!(message, "pixel_values: an image would be resized to 18000 × 9000, sides of 16384 are the longest");
}
