-- Where the journal stood, as the server wrote it down.

insert into checkpoint (
    position,
    at,
    body
) values (
    2,
    1795251600000000,
    '{"position":2,"hash":"cdfcdc0f201a549675ec7b16cbe31c397486def2bbbc5b68c10f977199cf1391","at":"2026-11-21T09:00:00Z","key":"00","signature":"00"}'
);
