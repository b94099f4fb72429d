use super::*;
use proptest::prelude::*;
use tsc_core::ErrorKind;

fn values_of(window: &Window) -> Vec<f64> {
    if window.is_empty() { Vec::new() } else { window.batch().unwrap().values().to_vec() }
}

#[test]
fn f30_rows_700_to_1199_are_left_of_1200_with_capacity_500() {
    let rows: Vec<f64> = (0..1200).map(f64::from).collect();
    for step in [1, 7, 100, 499, 500, 501, 1200] {
        let mut window = Window::new(1, 500);
        for chunk in rows.chunks(step) {
            window.push(&Batch::new(Features::new(chunk, 1).unwrap()).with_targets(chunk).unwrap()).unwrap();
        }
        assert_eq!(values_of(&window), rows[700..], "batches of {step}");
    }
}

#[test]
fn rows_without_a_target_or_with_a_bad_cell_do_not_enter() {
    let mut window = Window::new(2, 10);
    let cells = [1.0, 1.0, f64::NAN, 2.0, 3.0, 3.0];
    let batch = Batch::raw(&cells, 2).unwrap();
    assert_eq!(window.push(&batch).unwrap(), 0);
    assert!(window.is_empty());
    assert_eq!(window.batch().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(window.push(&batch.with_targets(&[1.0, 2.0, f64::NAN]).unwrap()).unwrap(), 1);
    assert_eq!(values_of(&window), [1.0, 1.0]);
}

#[test]
fn groups_are_handed_on_once_every_row_has_one() {
    let mut window = Window::new(1, 3);
    let x = Features::new(&[1.0, 2.0], 1).unwrap();
    let y = [1.0, 2.0];
    let groups = [GroupId(7), GroupId(8)];
    let bare = Batch::new(x).with_targets(&y).unwrap();
    let grouped = bare.clone().with_groups(&groups).unwrap();
    window.push(&grouped).unwrap();
    assert_eq!(window.batch().unwrap().groups(), Some(&groups[..]));
    window.push(&bare).unwrap();
    assert_eq!(window.batch().unwrap().groups(), None);
    window.push(&grouped).unwrap(); // one row without a group is left
    assert_eq!(window.batch().unwrap().groups(), None);
    window.push(&grouped).unwrap();
    assert_eq!(window.batch().unwrap().groups(), Some(&[GroupId(8), GroupId(7), GroupId(8)][..]));
}

#[test]
fn a_resource_that_comes_late_is_nan_before_and_other_units_are_refused() {
    let mut window = Window::new(1, 3);
    let x = Features::new(&[1.0, 2.0], 1).unwrap();
    let bare = Batch::new(x).with_targets(&[1.0, 2.0]).unwrap();
    let hours =
        ResourceTargets::new().with(ResourceKind::ProcessingTime, Unit::Hours, &[3.0, f64::NAN]).unwrap();
    let days = ResourceTargets::new().with(ResourceKind::ProcessingTime, Unit::Days, &[3.0, 4.0]).unwrap();
    window.push(&bare).unwrap();
    window.push(&bare.clone().with_resources(hours).unwrap()).unwrap();
    let error = window.push(&bare.clone().with_resources(days).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "resource processing_time is in days, the window holds it in hours");
    let batch = window.batch().unwrap();
    let column = batch.resources().columns()[0].values;
    assert!(column[0].is_nan() && column[1] == 3.0 && column[2].is_nan(), "{column:?}");
    window.push(&bare).unwrap();
    window.push(&bare).unwrap();
    assert!(window.batch().unwrap().resources().columns().is_empty());
}

#[test]
fn another_width_is_refused() {
    let error = Window::new(2, 5).push(&Batch::raw(&[1.0], 1).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "batch has 1 features, the window has 2");
}

#[test]
fn a_smaller_capacity_keeps_the_newest() {
    let mut window = Window::new(1, 4);
    let x = [1.0, 2.0, 3.0, 4.0];
    window.push(&Batch::new(Features::new(&x, 1).unwrap()).with_targets(&x).unwrap()).unwrap();
    window.set_capacity(2);
    assert_eq!(values_of(&window), [3.0, 4.0]);
}

#[test]
fn debug_output_shows_no_patient_value() {
    let mut window = Window::new(1, 4);
    let x = [98_765.0];
    window.push(&Batch::new(Features::new(&x, 1).unwrap()).with_targets(&x).unwrap()).unwrap();
    assert!(!format!("{window:?}").contains("98765"));
}

#[test]
fn damaged_bytes_are_an_error_never_a_panic() {
    let mut window = Window::new(2, 4);
    let x = [1.0, 2.0, 3.0, 4.0];
    let batch = Batch::new(Features::new(&x, 2).unwrap()).with_targets(&[0.5, 0.6]).unwrap();
    window.push(&batch.with_groups(&[GroupId(1), GroupId(2)]).unwrap()).unwrap();
    let bytes = window.to_bytes().unwrap();
    for cut in 0..bytes.len() {
        assert_eq!(Window::from_bytes(&bytes[..cut]).unwrap_err().kind(), ErrorKind::Artifact);
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Window::from_bytes(&longer).unwrap_err().to_string().contains("1 bytes after the end"));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(read) = Window::from_bytes(&flipped) {
                assert!(read.batch().is_ok_and(|b| b.n_samples() == read.len()));
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Push {
    rows: Vec<(f64, Option<f64>)>,
    groups: bool,
    resource: bool,
}

fn push() -> impl Strategy<Value = Push> {
    let target = prop_oneof![3 => (-9.0..9.0_f64).prop_map(Some), 1 => Just(None)];
    (prop::collection::vec((-9.0..9.0_f64, target), 1..12), any::<bool>(), any::<bool>())
        .prop_map(|(rows, groups, resource)| Push { rows, groups, resource })
}

proptest! {
    // F-30: exactly the newest n labelled rows, against a plain vector; stored bytes change nothing.
    #[test]
    fn f30_the_window_is_the_newest_n_rows(
        capacity in 1..20_usize, pushes in prop::collection::vec(push(), 1..20)
    ) {
        let mut window = Window::new(1, capacity);
        let mut twin: Vec<(f64, f64, Option<GroupId>, f64)> = Vec::new();
        for (k, push) in pushes.iter().enumerate() {
            let x: Vec<f64> = push.rows.iter().map(|r| r.0).collect();
            let y: Vec<f64> = push.rows.iter().map(|r| r.1.unwrap_or(f64::NAN)).collect();
            let groups: Vec<GroupId> = (0..x.len()).map(|i| GroupId((100 * k + i) as u64)).collect();
            let mut batch = Batch::new(Features::new(&x, 1).unwrap()).with_targets(&y).unwrap();
            if push.groups { batch = batch.with_groups(&groups).unwrap(); }
            if push.resource {
                let column = ResourceTargets::new().with(ResourceKind::MemoryUsage, Unit::Mebibytes, &x).unwrap();
                batch = batch.with_resources(column).unwrap();
            }
            window.push(&batch).unwrap();
            for i in (0..x.len()).filter(|&i| y[i].is_finite()) {
                let resource = if push.resource { x[i] } else { f64::NAN };
                twin.push((x[i], y[i], push.groups.then_some(groups[i]), resource));
            }
            let newest = &twin[twin.len().saturating_sub(capacity)..];
            if k % 3 == 2 { window = Window::from_bytes(&window.to_bytes().unwrap()).unwrap(); }
            prop_assert_eq!(window.len(), newest.len());
            if newest.is_empty() { continue }
            let held = window.batch().unwrap();
            let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(held.values()), bits(&newest.iter().map(|r| r.0).collect::<Vec<_>>()));
            prop_assert_eq!(bits(held.targets().unwrap()), bits(&newest.iter().map(|r| r.1).collect::<Vec<_>>()));
            let want: Option<Vec<GroupId>> = newest.iter().map(|r| r.2).collect();
            prop_assert_eq!(held.groups(), want.as_deref());
            let resource: Vec<f64> = newest.iter().map(|r| r.3).collect();
            match held.resources().columns() {
                [] => prop_assert!(resource.iter().all(|v| v.is_nan())),
                [column] => prop_assert_eq!(bits(column.values), bits(&resource)),
                more => prop_assert!(false, "{} resource columns", more.len()),
            }
        }
    }
}
