insert into credential (id, user_name, phc, at) values ('0a1b2c3d4e5f60718293a4b5c6d7e8f9', 'ada', '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Pk1lM2bV4sPlK4vSIwaITHRcCgPGzv8C0o2wJ2zQx9A', 1795262400000000);
insert into sign_in_tally (key, failures, last_at) values ('account:ada', 3, 1795262400000000);
insert into sign_in_place (user_name, source, at) values ('ada', '198.51.100.7', 1795262400000000);
insert into token_use (token, at, source) values (1, 1795262400000000, '198.51.100.7');
