//! `handmill kernel list|show|run|verify`.

use handmill::kernels::FAMILIES;
use handmill::tensor::{Dtype, HostTensor};

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Ran, Row};

pub const ROWS: &[Row] = &[
    ("list", Nothing, list),
    ("show", Nothing, show),
    ("parameters", Nothing, |folder| parameters(folder, "reference")),
    ("parameters_gpu", Gpu, |folder| parameters(folder, "gpu")),
    ("wrong_parameters", Nothing, wrong_parameters),
    ("wrong_inputs", Nothing, wrong_inputs),
    ("no_inputs", Nothing, no_inputs),
    ("u32_ports", Nothing, u32_ports),
    ("f16_ports", Gpu, f16_ports),
    ("variants", Gpu, variants),
    ("wrong_variant", Nothing, wrong_variant),
    ("verify", Gpu, verify),
    ("wrong_repro", Nothing, wrong_repro),
];

fn x() -> HostTensor {
    HostTensor::f32(&[2, 3], vec![1.0, -2.0, 3.0, -4.0, 5.0, 6.0])
}

/// `kernel run` on `in.safetensors`.
fn run(folder: &Folder, kernel: &str, params: &str, device: &str) -> Ran {
    let args = ["kernel", "run", kernel, "--inputs", "in.safetensors", "--outputs", "out.safetensors"];
    folder.handmill(args.iter().chain(&["--device", device, "--params", params]))
}

fn list(folder: &Folder) {
    let out = folder.handmill(["kernel", "list"]).exits(0).out;
    for (family, kernels) in FAMILIES {
        assert!(out.lines().any(|line| line == *family), "{family}");
        for k in *kernels {
            assert!(out.lines().any(|line| line.split_whitespace().next() == Some(k.name)), "{}", k.name);
        }
    }
}

fn show(folder: &Folder) {
    let out = folder.handmill(["kernel", "show", "layer_norm"]).exits(0).out;
    let head = "layer_norm\ninputs\n    x            f32\n    w            f32, optional\n    b            f32, optional\n\
                outputs\n    y, mean, rstd\nparameters\n    eps                number [1e-5]\nvariant ";
    assert!(out.starts_with(head), "{out}");
    assert!(out.contains("// shaders/norm/layer_norm.wgsl\n// layer_norm — "), "{out}");
    for k in FAMILIES.iter().flat_map(|(_, kernels)| *kernels) {
        folder.handmill(["kernel", "show", k.name]).exits(0);
    }
    folder.write("shaders/norm/layer_norm.wgsl", "// mine\n");
    let own = folder.handmill(["kernel", "show", "layer_norm", "--shaders", "shaders"]).exits(0).out;
    assert!(own.contains("// shaders/norm/layer_norm.wgsl\n// mine\n"), "{own}");
    for name in ["nosuch", "Layer_norm", ""] {
        let expected = format!("{name}: no such kernel; `handmill kernel list` lists them");
        folder.handmill(["kernel", "show", name]).fails(&expected);
    }
}

/// One parameter of each kind, and whole numbers for real ones.
fn parameters(folder: &Folder, device: &str) {
    folder.save("in.safetensors", &[("x", x())]);
    let y = |kernel: &str, params: &str, name: &str| {
        let ran = run(folder, kernel, params, device).exits(0);
        assert!(ran.out.is_empty() && ran.err.ends_with(" written to out.safetensors\n"), "{}", ran.err);
        let tensor = folder.load("out.safetensors").remove(name).unwrap();
        (tensor.shape().to_vec(), tensor.to_f64())
    };
    assert_eq!(y("sum", r#"{"axes":[1],"keepdim":true}"#, "y"), (vec![2, 1], vec![2.0, 7.0]));
    assert_eq!(y("sum", r#"{"axes":[0],"keepdim":false}"#, "y"), (vec![3], vec![-3.0, 3.0, 9.0]));
    assert_eq!(y("clamp", r#"{"min":-1,"max":2.5}"#, "y"), (vec![2, 3], vec![1.0, -1.0, 2.5, -1.0, 2.5, 2.5]));
    assert_eq!(y("top_k", r#"{"k":1}"#, "indices"), (vec![2, 1], vec![2.0, 2.0]));
    assert_eq!(y("cast", r#"{"to":"i32"}"#, "y"), (vec![2, 3], vec![1.0, -2.0, 3.0, -4.0, 5.0, 6.0]));
    assert_eq!(y("leaky_relu", r#"{"slope":0.5}"#, "y").1, [1.0, -1.0, 3.0, -2.0, 5.0, 6.0]);
    assert_eq!(y("neg", "{}", "y").1, [-1.0, 2.0, -3.0, 4.0, -5.0, -6.0]);
}

fn wrong_parameters(folder: &Folder) {
    folder.save("in.safetensors", &[("x", x())]);
    let rows = [
        ("neg", "", "--params: is not JSON: EOF while parsing a value at line 1 column 0"),
        ("neg", "{", "--params: is not JSON: EOF while parsing an object at line 1 column 1"),
        ("neg", "[]", "--params: is not a JSON object"),
        ("neg", "nan", "--params: is not JSON: expected ident at line 1 column 2"),
        ("neg", r#"{"a":1}"#, "--params a: neg has no such parameter; it has none"),
        ("sum", r#"{"axis":[0]}"#, "--params axis: sum has no such parameter; it has axes, keepdim"),
        ("sum", r#"{"axes":null}"#, "--params axes: null is no number, text, true, false or list of whole numbers"),
        ("sum", r#"{"axes":[0.5]}"#, "--params axes: [0.5] is no number, text, true, false or list of whole numbers"),
        ("sum", r#"{"axes":{}}"#, "--params axes: {} is no number, text, true, false or list of whole numbers"),
        ("sum", r#"{"axes":[2]}"#, "sum: axis 2 is not in (2, 3)"),
        ("sum", r#"{"axes":[0,0]}"#, "sum: axis 0 is given twice"),
        ("sum", r#"{"axes":[-9223372036854775808]}"#, "sum: axis -9223372036854775808 is not in (2, 3)"),
        ("sum", r#"{"axes":1}"#, "--params axes: found 1, expected list of whole numbers"),
        ("sum", r#"{"keepdim":1}"#, "--params keepdim: found 1, expected true or false"),
        ("sum", r#"{"keepdim":"yes"}"#, "--params keepdim: found \"yes\", expected true or false"),
        ("top_k", "{}", "top_k: parameter 'k' is missing"),
        ("top_k", r#"{"k":0}"#, "top_k: k is 0, expected 1 to 3 for x (2, 3)"),
        ("top_k", r#"{"k":-1}"#, "top_k: k is -1, expected 1 to 3 for x (2, 3)"),
        ("top_k", r#"{"k":4}"#, "top_k: k is 4, expected 1 to 3 for x (2, 3)"),
        ("top_k", r#"{"k":1.5}"#, "--params k: found 1.5, expected whole number"),
        ("top_k", r#"{"k":18446744073709551615}"#, "--params k: found 1.8446744073709552e+19, expected whole number"),
        ("clamp", r#"{"min":"a"}"#, "--params min: found \"a\", expected number"),
        ("clamp", r#"{"min":1e400}"#, "--params: is not JSON: number out of range at line 1 column 12"),
        ("cast", r#"{"to":"f64"}"#, "cast: to is 'f64', expected f32, i32 or u32"),
        ("cast", r#"{"to":3}"#, "--params to: found 3, expected text"),
        ("pad", r#"{"pads":[1]}"#, "pad: 1 pads are not pairs for the last axes of (2, 3)"),
        (
            "pad",
            r#"{"pads":[9223372036854775807,0,0,0]}"#,
            "pad: pad 9223372036854775807 is negative or too large; a slice crops",
        ),
        ("pad", r#"{"pads":[1000000000000,0,0,0]}"#, "pad: pad 1000000000000 is negative or too large; a slice crops"),
    ];
    for (kernel, params, expected) in rows {
        let ran = run(folder, kernel, params, "reference").exits(1);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert_eq!(ran.err, format!("handmill: {expected}\n"), "{kernel} {params}");
        assert!(!folder.at("out.safetensors").exists());
    }
}

type Named<'a> = &'a [(&'a str, HostTensor)];

fn wrong_inputs(folder: &Folder) {
    let ids = HostTensor::i32(&[2], vec![1, 2]);
    let w = HostTensor::f32(&[4, 3], vec![0.0; 12]);
    let rows: [(&str, Named, &str); 7] = [
        ("neg", &[], "neg: input 'x' is missing"),
        ("neg", &[("y", x())], "y: is no input of neg; it has x"),
        ("neg", &[("x", x()), ("z", x())], "z: is no input of neg; it has x"),
        ("neg", &[("x", ids.clone())], "x: is i32, expected f32"),
        ("fill", &[("x", x())], "x: is no input of fill; it has none"),
        ("embedding", &[("ids", x()), ("w", w.clone())], "ids: is f32, expected i32"),
        ("matmul", &[("a", x()), ("w", w)], "matmul: inner sizes differ, 3 and 4"),
    ];
    for (kernel, tensors, expected) in rows {
        folder.save("in.safetensors", tensors);
        let ran = run(folder, kernel, "{}", "reference").exits(1);
        assert!(ran.err.starts_with(&format!("handmill: {expected}")), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    folder.save("in.safetensors", &[("x", x())]);
    let into_input = ["kernel", "run", "neg", "--inputs", "in.safetensors", "--outputs", "./in.safetensors"];
    folder.handmill(into_input).fails("./in.safetensors: is an input too; write the outputs to another file");
    folder
        .handmill(["kernel", "run", "neg", "--inputs", "nosuch", "--outputs", "o"])
        .fails("nosuch: cannot be opened: No such file or directory (os error 2)");
    folder.handmill(["kernel", "run", "neg", "--outputs", "o"]).fails("neg: input 'x' is missing");
}

fn no_inputs(folder: &Folder) {
    let args = ["kernel", "run", "fill", "--outputs", "out.safetensors", "--device", "reference"];
    folder.handmill(args.iter().chain(&["--params", r#"{"shape":[2,2],"value":0.5}"#])).exits(0);
    assert_eq!(folder.load("out.safetensors")["y"], HostTensor::f32(&[2, 2], vec![0.5; 4]));
    folder.handmill(args.iter().chain(&["--params", r#"{"shape":[2],"value":3,"dtype":"i32"}"#])).exits(0);
    assert_eq!(folder.load("out.safetensors")["y"], HostTensor::i32(&[2], vec![3; 2]));
}

fn u32_ports(folder: &Folder) {
    let bits = |seed: HostTensor| {
        folder.save("in.safetensors", &[("seed", seed)]);
        run(folder, "random_bits", r#"{"shape":[4]}"#, "reference")
    };
    bits(HostTensor::u32(&[2], vec![4_294_967_295, 7])).exits(0);
    let large = std::fs::read(folder.at("out.safetensors")).unwrap();
    bits(HostTensor::i32(&[2], vec![1, 7])).exits(0);
    assert!(large != std::fs::read(folder.at("out.safetensors")).unwrap());
    let ran = bits(HostTensor::i32(&[2], vec![-1, 7])).exits(1);
    assert!(ran.err.contains("-1") && ran.err.lines().count() == 1, "{}", ran.err);
    bits(HostTensor::f32(&[2], vec![1.0, 7.0])).fails("seed: is f32, expected u32");
}

/// A tensor of f16 stays f16 where the port takes it.
fn f16_ports(folder: &Folder) {
    let w = HostTensor::from_f64(Dtype::F16, &[3, 4], &(0..12).map(f64::from).collect::<Vec<_>>());
    folder.save("in.safetensors", &[("a", x()), ("w", w)]);
    run(folder, "matmul", "{}", "gpu").exits(0);
    let half = folder.load("out.safetensors").remove("y").unwrap();
    run(folder, "matmul", "{}", "reference").exits(0);
    assert_eq!(half.to_f64(), folder.load("out.safetensors")["y"].to_f64());
}

fn variants(folder: &Folder) {
    folder.save("in.safetensors", &[("x", HostTensor::f32(&[2, 4], vec![0.5; 8]))]);
    let args = ["kernel", "run", "softmax", "--inputs", "in.safetensors", "--outputs", "out.safetensors"];
    for how in ["plain", "direct", "split", "vec4"] {
        folder.handmill(args.iter().chain(&["--variant", how])).exits(0);
        assert_eq!(folder.load("out.safetensors")["y"].to_f64(), [0.25; 8], "{how}");
    }
    folder.save("in.safetensors", &[("x", HostTensor::f32(&[1, 1], vec![0.5]))]);
    let ran = folder.handmill(args.iter().chain(&["--variant", "vec4"])).exits(1);
    assert!(ran.err.starts_with("handmill: --variant: vec4 cannot compute this call on "), "{}", ran.err);
}

fn wrong_variant(folder: &Folder) {
    folder.save("in.safetensors", &[("x", x())]);
    for verb in [&["run", "--outputs", "o"][..], &["verify"]] {
        for device in ["auto", "reference"] {
            let args = ["neg", "--inputs", "in.safetensors", "--variant", "nosuch", "--device", device];
            let ran = folder.handmill(["kernel"].iter().chain(verb.iter()).chain(&args));
            ran.fails("--variant: neg has no variant 'nosuch'; it has vec4, plain");
        }
    }
}

fn verify(folder: &Folder) {
    folder.save("in.safetensors", &[("x", HostTensor::f32(&[2, 4], vec![0.5; 8]))]);
    let args = ["kernel", "verify", "softmax", "--inputs", "in.safetensors"];
    let ran = folder.handmill(args).exits(0);
    let mut labels: Vec<_> = ran.out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    labels.retain(|label| !["softmax_held", "softmax_subgroup"].contains(label)); // where the adapter has subgroups
    assert_eq!(labels, ["softmax_direct", "softmax_split", "softmax_vec4", "softmax"]);
    let one = folder.handmill(args.iter().chain(&["--variant", "plain"])).exits(0);
    assert_eq!(one.out.lines().count(), 1);
    folder
        .handmill(args.iter().chain(&["--device", "reference"]))
        .fails("--device: there is nothing to verify: the reference would be compared with itself");
    folder.shader("softmax/softmax_vec4", "1.0 / ", "1.001 / ");
    let ran = folder.handmill(args.iter().chain(&["--shaders", "shaders"])).exits(3);
    assert!(ran.out.contains("softmax_vec4") && ran.out.contains("FAILED: "), "{}", ran.out);
    assert_eq!(ran.err, "");
}

fn wrong_repro(folder: &Folder) {
    let call = "r/call.json";
    let needs = "is not a recorded call: it needs the text kernel and the object params";
    let rows: [(&[u8], String); 7] = [
        (b"", format!("{call}: is not valid JSON: EOF while parsing a value at line 1 column 0")),
        (b"\xff", String::new()),
        (b"[]", String::new()),
        (b"{}", format!("{call}: {needs}")),
        (br#"{"kernel":3,"params":{}}"#, format!("{call}: {needs}")),
        (
            br#"{"kernel":"nosuch","params":{}}"#,
            format!("{call}: no kernel is called 'nosuch'; `handmill kernel list` lists them"),
        ),
        (
            br#"{"kernel":"neg","params":{}}"#,
            "r/inputs.safetensors: cannot be opened: No such file or directory (os error 2)".into(),
        ),
    ];
    folder
        .handmill(["kernel", "verify", "--repro", "r"])
        .fails(&format!("{call}: cannot be opened: No such file or directory (os error 2)"));
    for (bytes, expected) in rows {
        folder.write(call, bytes);
        let ran = folder.handmill(["kernel", "verify", "--repro", "r"]).exits(1);
        assert!(ran.err.starts_with("handmill: r/") && ran.err.lines().count() == 1, "{}", ran.err);
        if !expected.is_empty() {
            assert_eq!(ran.err, format!("handmill: {expected}\n"));
        }
    }
}
