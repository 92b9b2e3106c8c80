-- A release that stands in the calendar, and one that has gone from it.

insert into calendar_entry (
    class, start_at, release, end_at, organization, name, search, status, type, process, release_group, manager,
    labels, teams, processes, services, environments, exclusive, planned_start, planned_end, started_at, ended_at,
    changes, changed_at, announced
) values (
    0, 1795251600000000, 1, 1795255200000000, 'shop', 'Week 47', 'week 47 team=a ', 'OnHold', 'standard', 'train', '',
    '', ' team=a ', ' a ', ' train ', ' cart ', ' production ', '', null, null, 1795251600000000, null,
    3, 1795251600000000, 1
);

insert into calendar_gone (
    release, organization, name, start_at, end_at, changes, gone_at
) values (
    9, 'shop', 'Week 46', 1794646800000000, 1794650400000000, 4, 1795251600000000
);
