#[test]
fn measure() {
    let long = |s: &str, n: usize| s.repeat(n);
    let cases: Vec<(String, String)> = vec![
        ("small".into(), "inputs.service".into()),
        ("plus".into(), format!("1{}", long("+1", 1000))),
        ("index".into(), format!("a{}", long("[0]", 660))),
        ("member".into(), format!("x{}", long(".f()", 500))),
        ("select".into(), format!("x{}", long(".f", 1000))),
        ("paren".into(), format!("{}1{}", long("(", 90), long(")", 90))),
        ("paren_deep".into(), format!("{}1{}", long("(", 1000), long(")", 1000))),
        ("open".into(), long("(", 2000)),
        ("openl".into(), long("[", 2000)),
        ("openm".into(), long("{", 2000)),
        ("openma".into(), long("{a:", 600)),
        ("tern".into(), format!("{}1", long("a?b:", 500))),
        ("ternopen".into(), long("a?", 1000)),
        ("call".into(), long("f(", 1000)),
        ("msg".into(), long("a{a:", 500)),
        ("dots".into(), long(".", 2000)),
        ("nots".into(), format!("{}a", long("!", 2000))),
        ("neg".into(), format!("{}a", long("-", 2000))),
        ("neg2".into(), format!("{}a", long("- ", 1000))),
        ("cmp".into(), format!("a{}", long("<a", 1000))),
        ("and".into(), format!("a{}", long("&&a", 600))),
        ("list".into(), format!("[{}]", long("1,", 1000))),
        ("garbage".into(), long("a b ", 500)),
        ("garbage2".into(), long("@#$%^&", 330)),
        ("garbage3".into(), long(")", 2000)),
        ("mixed".into(), long("a?[{b:(c.d(", 80)),
        ("maps".into(), format!("{}1{}", long("a.map(x,", 80), long(")", 80))),
    ];
    for round in 0..2 {
        for (name, source) in &cases {
            let start = std::time::Instant::now();
            let r = std::panic::catch_unwind(|| stacker::grow(16 << 20, || {
                let r = cel::Env::default().parser().enable_ident_escape_syntax(true).parse_with_source_info(source);
                match &r { Ok(_) => "ok".to_string(), Err(e) => format!("{} errors: {} @{:?}", e.errors.len(), e.errors[0].msg.chars().take(80).collect::<String>(), e.errors[0].pos) }
            }));
            println!("{round} {name:12} {:?} {:?}", start.elapsed(), r.unwrap_or("PANIC".into()));
        }
    }
}
