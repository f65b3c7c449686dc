PRAGMA application_id = 1719104049;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE artifacts (run TEXT NOT NULL, key TEXT NOT NULL, project TEXT NOT NULL,
            created REAL NOT NULL, digest TEXT NOT NULL, iteration INTEGER NOT NULL, doc TEXT NOT NULL,
            PRIMARY KEY (run, iteration, key));
INSERT INTO "artifacts" VALUES('0198c000-0000-7000-8000-000000000001','model','default',1756000006.0,'sha256:abababababababababababababababababababababababababababababababab',0,'{"metadata":{"key":"model","project":"default"},"spec":{"run":"0198c000-0000-7000-8000-000000000001","created":1756000006.0,"type":"model","format":"pickle","digest":"sha256:abababababababababababababababababababababababababababababababab","size":3,"uri":"file:///0198c000-0000-7000-8000-000000000001"}}');
CREATE TABLE contents (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
INSERT INTO "contents" VALUES('sha256:56515f5b3cecdebeac9c82fc3ef670be9e8b49ef02dfbcb98a2886581cd9c6c1',X'789CCB2BCD2DA8B4B535D233D433E002001FCC03AD');
CREATE TABLE facts (key TEXT NOT NULL, value BLOB NOT NULL, run INTEGER NOT NULL,
            PRIMARY KEY (key, value, run)) WITHOUT ROWID;
INSERT INTO "facts" VALUES('labels.stage',X'3374657374',1756000000000000);
INSERT INTO "facts" VALUES('metrics.loss',X'32BFD0000000000000',1756000000000000);
INSERT INTO "facts" VALUES('name',X'33747261696E',1756000000000000);
INSERT INTO "facts" VALUES('params.depth',X'32C008000000000000',1756000000000000);
INSERT INTO "facts" VALUES('results.accuracy',X'32BFECCCCCCCCCCCCD',1756000000000000);
INSERT INTO "facts" VALUES('results.epochs',X'32C008000000000000',1756000000000000);
CREATE TABLE functions (project TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
            put REAL NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (project, name, version));
INSERT INTO "functions" VALUES('default','train','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1.79551794091058015828e+09,'{"kind":"local","metadata":{"name":"train","project":"default"},"spec":{"code":{"files":{"train.py":"a"}}},"status":{"version":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","provenance":{"commit":"a"},"created":1795517940.9105802}}');
CREATE TABLE log (run INTEGER NOT NULL, attempt INTEGER NOT NULL, number INTEGER NOT NULL,
            rank INTEGER NOT NULL, stream TEXT NOT NULL, time REAL NOT NULL, data BLOB NOT NULL, marks TEXT,
            PRIMARY KEY (run, attempt, number)) WITHOUT ROWID;
INSERT INTO "log" VALUES(1756000000000000,1,1,0,'stdout',1756000002.0,X'6F6E650A','[[0,0,2,4]]');
INSERT INTO "log" VALUES(1756000000000000,1,2,0,'stderr',1756000007.0,X'74776F0A','[[0,0,7,4]]');
CREATE TABLE points (run INTEGER NOT NULL, attempt INTEGER NOT NULL, key TEXT NOT NULL,
            number INTEGER NOT NULL, data BLOB NOT NULL, marks TEXT, PRIMARY KEY (run, attempt, key, number)) WITHOUT ROWID;
INSERT INTO "points" VALUES(1756000000000000,1,'loss',1,X'00000000000000000100000000000000000000000000E03F000000000000D03F00000000000024400000000000002640','[[0,0,4,2]]');
CREATE TABLE projects (name TEXT PRIMARY KEY, doc TEXT NOT NULL);
INSERT INTO "projects" VALUES('vision','{"metadata":{"name":"vision"},"spec":{"defaults":{"x":1}}}');
CREATE TABLE runs (id INTEGER PRIMARY KEY, uid TEXT NOT NULL, revision INTEGER NOT NULL,
            pending INTEGER NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
            kind TEXT NOT NULL, cause TEXT, function TEXT NOT NULL, parent TEXT NOT NULL,
            created REAL NOT NULL, started REAL, ended REAL, handle TEXT, cursor TEXT,
            ledger TEXT NOT NULL, doc TEXT NOT NULL);
INSERT INTO "runs" VALUES(1756000000000000,'0198c000-0000-7000-8000-000000000001',3,0,'default','train','completed','local',NULL,'db://default/train@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','',1756000000.0,1756000001.0,1756000010.0,'{"kind":"local","version":1}','{"offset":10}','{"attempts":{"1":{"producers":{"0/0":{"last":10,"kinds":{"state":1,"log":2,"result":1,"metric":1,"label":1,"artifact":1,"progress":1,"peak":1,"end":1}}},"results":{"accuracy":[3,0.9],"epochs":[3,3]},"metrics":{"loss":[4,0.25]},"artifacts":{"model":[6,{"uri":"file:///0198c000-0000-7000-8000-000000000001","type":"model","format":"pickle","digest":"sha256:abababababababababababababababababababababababababababababababab","size":3}]},"begun":{"time":1756000001.0,"state":"running","host":"here","pid":7,"python":"3.12.1"},"labels":{"stage":[5,"test"]},"progress":[8,{"done":1,"total":1,"unit":"epoch","text":""}],"peak":{"memory":1024,"cpu":0.5},"ends":{"0":{"state":"completed","cause":null,"message":"","events":10,"kinds":{"state":1,"log":2,"result":1,"metric":1,"label":1,"artifact":1,"progress":1,"peak":1,"end":1},"time":1756000010.0}}}}}','{"metadata":{"uid":"0198c000-0000-7000-8000-000000000001","name":"train","project":"default","labels":{"stage":"test"}},"spec":{"kind":"local","function":"db://default/train@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","params":{"depth":3}},"status":{"state":"completed","created":1756000000.0,"cause":null,"message":"","advice":"","traceback":"","provisional":false,"results":{"accuracy":0.9,"epochs":3},"metrics":{"loss":0.25},"artifacts":{"model":{"uri":"file:///0198c000-0000-7000-8000-000000000001","type":"model","format":"pickle","digest":"sha256:abababababababababababababababababababababababababababababababab","size":3}},"peak":{"memory":1024,"cpu":0.5},"progress":{"done":1,"total":1,"unit":"epoch","text":""},"gaps":[],"ended":1756000010.0,"started":1756000001.0,"attempts":[{"number":1,"state":"completed","started":1756000001.0,"ended":1756000010.0,"host":"here","pid":7}]}}');
INSERT INTO "runs" VALUES(1756000100000000,'0198c000-0000-7000-8000-000000000002',1,1,'default','train','created','local',NULL,'','',1756000100.0,NULL,NULL,NULL,NULL,'{}','{"metadata":{"uid":"0198c000-0000-7000-8000-000000000002","name":"train","project":"default","labels":{}},"spec":{"kind":"local"},"status":{"state":"created","created":1756000100.0}}');
CREATE TABLE tags (project TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL,
            version TEXT NOT NULL, PRIMARY KEY (project, name, tag));
INSERT INTO "tags" VALUES('default','train','latest','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO "tags" VALUES('default','train','good','sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
CREATE TABLE unsettled (run INTEGER PRIMARY KEY, dirty INTEGER NOT NULL);
INSERT INTO "unsettled" VALUES(1756000100000000,1);
CREATE UNIQUE INDEX runs_by_uid ON runs (uid);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent <> '';
CREATE INDEX facts_by_run ON facts (key, run, value)
            WHERE value >= x'32' AND value < x'33';
CREATE INDEX artifacts_by_key ON artifacts (project, key, created);
COMMIT;
