//! How long a large fleet takes from bytes to desired state: 2,000 nodes with 20 services each.

use tokio::time::Instant;

use stead_fleet::{Options, Tree, load};

fn tree(nodes: usize, services: usize) -> Tree {
    let mut files = vec![("stead.yaml".to_owned(), "fleet: large\n".to_owned())];
    for node in 0..nodes {
        let mut text = String::from("services:\n");
        for service in 0..services {
            text.push_str(&format!(
                "  service-{service}:\n    kind: container\n    container: c{service}\n    image: \"app:{service}\"\n    \
                 ports: [\"{}:80\"]\n    patience: {{ failures: 3 }}\n    checks:\n      - http: {{ url: \
                 \"http://127.0.0.1:{}/\", status: 200, every: 10s }}\n",
                8000 + service,
                8000 + service
            ));
        }
        files.push((format!("hosts/node{node}/services.yaml"), text));
        files.push((
            format!("hosts/node{node}/node.yaml"),
            "labels: { site: home }\n".to_owned(),
        ));
    }
    Tree::from_files(files)
}

fn main() {
    let tree = tree(2000, 20);
    for round in 1..=3 {
        let started = Instant::now();
        let loaded = load(&tree, &Options::default());
        let took = started.elapsed();
        let nodes = loaded.fleet.map_or(0, |fleet| fleet.nodes.len());
        println!(
            "round {round}: {nodes} nodes, 40000 services in {} ms",
            took.as_millis()
        );
    }
}
